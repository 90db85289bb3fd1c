"""Find defects of the image files of a data set of any format.  Sizes are (height, width)."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.cores import usable_cores
from tasks.datasets.coco.sizes import size_error
from tasks.datasets.findings import Finding, Fix, Severity
from tasks.errors import DataError
from tasks.images import Exif, decode, find_images, image_sizes

S = TypeVar("S")
T = TypeVar("T")
THREADS = 8  # threads at most; more than cores, as reading headers mostly waits for the disk


@dataclass(frozen=True, kw_only=True)
class ListedImage:
    """An image that a data set lists."""

    record: str
    """Its name in findings: "image 3"."""
    path: Path
    size: tuple[int, int] | None
    """By the annotations; None if they do not state it."""
    records: str = "images"
    """The list of the data set's file that has its record."""
    index: int = -1
    """The record's index in that list."""

    def fix(self, remedy: str, target: Any = None) -> Fix:
        """Make a fix of the image's record."""
        return Fix(remedy=remedy, records=self.records, index=self.index, target=target)


@dataclass(frozen=True)
class ImageFile:
    """The content of a listed image's file."""

    listed: ListedImage
    size: tuple[int, int] | None  # None if it cannot be read
    turned: bool = False  # EXIF rotation swaps height and width
    digest: str = ""  # of the pixels, if they were decoded
    error: DataError | None = None


class Track(Protocol):
    """Shows the progress of a pass over images."""

    def __call__(self, items: Iterator[T], text: str, total: int, /) -> Iterable[T]:
        """Return the `total` items while showing progress, with `text` as its name."""
        ...


def read_files(
    images: Sequence[ListedImage], exif: Exif, *, pixels: bool = True, track: Track | None = None
) -> list[ImageFile]:
    """Read the image files with their pixels, or only their headers in a fraction of the time."""
    read = partial(_read_pixels if pixels else _read_header, exif=exif)
    workers = min(THREADS, usable_cores()) if pixels else THREADS
    return read_in_threads(read, images, workers, track)


def read_in_threads(
    read: Callable[[S], T], images: Sequence[S], workers: int, track: Track | None
) -> list[T]:
    """Read images with a function, several at once; return results in order."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        contents = pool.map(read, images)
        return list(contents if track is None else track(contents, "reading images", len(images)))


def pixel_digest(pixels: NDArray[np.uint8]) -> str:
    """Hash of an image's size and pixels (H, W, 3), the same for the same image in any format."""
    size = (pixels.shape[0], pixels.shape[1])
    return hashlib.blake2b(repr(size).encode() + pixels.tobytes()).hexdigest()


def _read_header(listed: ListedImage, exif: Exif) -> ImageFile:
    try:
        stored, upright = image_sizes(listed.path)
    except DataError as error:
        return ImageFile(listed, None, error=error)
    size = upright if exif == "apply" else stored
    return ImageFile(listed, size, turned=stored != upright)


def _read_pixels(listed: ListedImage, exif: Exif) -> ImageFile:
    header = _read_header(listed, exif)
    if header.error is not None:
        return header
    try:
        pixels = decode(listed.path, exif)
    except DataError as error:
        return ImageFile(listed, None, error=error)
    size = (pixels.shape[0], pixels.shape[1])
    return ImageFile(listed, size, turned=header.turned, digest=pixel_digest(pixels))


def find_image_problems(files: Sequence[ImageFile], exif: Exif) -> Iterator[Finding]:
    """Yield the defects of each file, then the files with the same pixels as an earlier one."""
    for file in files:
        yield from _problems(file, exif)
    first: dict[str, ImageFile] = {}
    for file in files:
        if not file.digest:
            continue
        earlier = first.setdefault(file.digest, file)
        if earlier.listed.path != file.listed.path:
            rule = (
                "an image should be in a split once, its pixels equal those of"
                f" {earlier.listed.path.name}"
            )
            error = DataError(rule, "remove one of the two")
            yield _of_file("duplicate image", "warning", file, error)


def _problems(file: ImageFile, exif: Exif) -> Iterator[Finding]:
    listed = file.listed
    drop = listed.fix("drop")
    if file.size is None:
        assert file.error is not None, "a file without a size could not be read"
        kind = "unreadable image" if _exists(listed.path) else "missing image"
        yield Finding(
            kind=kind,
            severity="error",
            file=str(listed.path),
            record=listed.record,
            rule=file.error.rule,
            way_out=file.error.way_out,
            fix=drop,
        )
    elif listed.size is not None and file.size != listed.size:
        error = size_error(listed.path, file.size, listed.size, exif)
        fix = listed.fix("turn" if file.turned else "size", target=file.size)
        yield _of_file("size mismatch", "error", file, error, fix)
    elif file.turned:
        rule = f"EXIF turns it by a right angle; with data.exif={exif} it is of the annotated size"
        error = DataError(rule, "check that its boxes were drawn on the image turned like this")
        yield _of_file("EXIF", "warning", file, error)


def _of_file(
    kind: str, severity: Severity, file: ImageFile, error: DataError, fix: Fix | None = None
) -> Finding:
    """A finding about an image that can be shown."""
    return Finding(
        kind=kind,
        severity=severity,
        file=str(file.listed.path),
        record=file.listed.record,
        rule=error.rule,
        way_out=error.way_out,
        image=file.listed.path,
        fix=fix,
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # not a possible file name
        return False


def find_unlisted(folders: Iterable[Path], listed: Iterable[Path]) -> Iterator[Finding]:
    """Yield the image files in the folders that are not `listed`, except hidden ones."""
    known = {os.path.normpath(path) for path in listed}
    for folder in dict.fromkeys(folders):
        try:
            present = find_images(folder)
        except UserError:
            continue  # none that is not listed; listed ones are looked for by their names
        for path in present:
            if os.path.normpath(path) not in known:
                yield Finding(
                    kind="unlisted image",
                    severity="warning",
                    file=str(path),
                    record=path.name,
                    rule="an image should be listed in the annotations, this one is not",
                    way_out="annotate it, or take it out of the folder",
                    image=path,
                )


def find_leaks(
    train: Sequence[ImageFile], val: Sequence[ImageFile], val_source: Path
) -> Iterator[Finding]:
    """Yield the images of the training split that are also in the validation split, by pixels.

    `val_source` is the file or folder of the latter. They leave the training split.
    """
    scored = {file.digest: file.listed for file in val if file.digest}
    for file in train:
        if file.digest not in scored:
            continue
        twin = scored[file.digest]
        rule = (
            f"the pixels are those of {twin.path}, {twin.record} of {val_source}: a score there"
            " would be too good"
        )
        error = DataError(rule, "remove the image from one of the two splits")
        yield _of_file("leak", "warning", file, error, file.listed.fix("drop"))
