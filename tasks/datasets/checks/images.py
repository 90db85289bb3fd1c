"""What is wrong with the image files of a data set; every one is decoded.  Sizes are (height,
width).
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.checks.records import Finding, Records
from tasks.datasets.coco.sizes import size_mismatch
from tasks.images import Exif, decode, find_images, image_size
from tasks.labels import FileId


@dataclass(frozen=True)
class ImageFile:
    """What an image file holds."""

    path: Path
    size: tuple[int, int] | None  # None where it cannot be decoded
    turned: bool = False  # EXIF gives the size another way up
    digest: str = ""  # of the pixels
    problem: str = ""


def read_images(records: Records) -> dict[FileId, ImageFile]:
    """Every image of the file by its id, decoded; what is wrong is added to the findings."""
    files: dict[FileId, ImageFile] = {}
    paths = [records.image_path(image) for image in records.images]
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda path: _read(path, records.exif), paths)
        for image, file in zip(records.images, found, strict=True):
            files[image] = file
            records.findings.extend(_problems(records, image, file))
    records.findings.extend(_repeated(records, files))
    return files


def _read(path: Path, exif: Exif) -> ImageFile:
    try:
        pixels = decode(path, exif)
        other = image_size(path, "ignore" if exif == "apply" else "apply")
    except UserError as error:
        return ImageFile(path, None, problem=str(error))
    size = pixels.shape[0], pixels.shape[1]
    return ImageFile(
        path,
        size,
        other != size,
        hashlib.blake2b(repr(size).encode() + pixels.tobytes()).hexdigest(),
    )


def _problems(records: Records, image: FileId, file: ImageFile) -> Iterator[Finding]:
    entry, place = f"image {image!r}", ("images", records.images[image])
    name, annotated = str(file.path), records.sizes.get(image)
    if file.size is None:
        kind = "unreadable image" if _exists(file.path) else "missing image"
        yield Finding(
            kind=kind,
            severity="error",
            file=name,
            entry=entry,
            seen=file.problem,
            place=place,
            remedy="drop",
        )
        return
    if annotated is not None and file.size != annotated:
        seen = size_mismatch(file.path, file.size, annotated, records.exif)
        yield Finding(
            kind="size mismatch",
            severity="error",
            file=name,
            entry=entry,
            seen=seen,
            image=file.path,
            place=place,
            remedy="drop" if file.turned else "size",
            target=file.size,
        )
    elif file.turned:
        seen = (
            f"EXIF turns it by a right angle; with data.exif={records.exif} it is of the annotated"
            " size"
        )
        yield Finding(
            kind="EXIF",
            severity="warning",
            file=name,
            entry=entry,
            seen=seen,
            image=file.path,
            place=place,
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _repeated(records: Records, files: dict[FileId, ImageFile]) -> Iterator[Finding]:
    """Images whose pixels an earlier image of another file has."""
    first: dict[str, ImageFile] = {}
    for image, file in files.items():
        if file.digest and (earlier := first.setdefault(file.digest, file)).path != file.path:
            seen = f"the pixels are those of {earlier.path.name}"
            entry, place = f"image {image!r}", ("images", records.images[image])
            yield Finding(
                kind="duplicate image",
                severity="warning",
                file=str(file.path),
                entry=entry,
                seen=seen,
                image=file.path,
                place=place,
            )


def find_unlisted(splits: Sequence[Records]) -> Iterator[Finding]:
    """Image files in the splits' folders that no split names."""
    named = {
        os.path.normpath(split.image_path(image)) for split in splits for image in split.images
    }
    for folder in dict.fromkeys(split.image_root for split in splits):
        try:
            present = find_images(folder)
        except UserError as error:
            yield Finding(
                kind="no images",
                severity="error",
                file=str(folder),
                entry="the folder",
                seen=str(error),
            )
            continue
        for path in present:
            if os.path.normpath(path) not in named:
                seen = "no annotation file names this image"
                yield Finding(
                    kind="unlisted image",
                    severity="warning",
                    file=str(path),
                    entry=path.name,
                    seen=seen,
                    image=path,
                )


def find_leaks(
    train: tuple[Records, Mapping[FileId, ImageFile]],
    val: tuple[Records, Mapping[FileId, ImageFile]],
) -> Iterator[Finding]:
    """Images of the training split whose pixels are in the validation split too; they would be left
    out of train.
    """
    records, files = train
    scored = {file.digest: (image, file) for image, file in val[1].items() if file.digest}
    for image, file in files.items():
        if file.digest not in scored:
            continue
        other, twin = scored[file.digest]
        seen = (
            f"the pixels are those of {twin.path}, image {other!r} of {val[0].path}: a score there"
            " would be too good"
        )
        place = ("images", records.images[image])
        yield Finding(
            kind="leak",
            severity="error",
            file=str(file.path),
            entry=f"image {image!r}",
            seen=seen,
            image=file.path,
            place=place,
            remedy="drop",
        )
