"""What COCO records say of image files: names and sizes.  Sizes are (height, width) in pixels."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.coco.objects import Record
from tasks.images import Exif, image_size

LONGEST_SIDE = 1_000_000  # pixels; an image of such a side fits in no memory


def image_file_name(record: Record) -> str:
    """The image record's file name, relative to the image folder; UserError where it has none."""
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        raise UserError(f"every image needs a file_name, got {name!r} in image {record['id']!r}")
    return writable(name, "file_name")


def writable(text: str, what: str) -> str:
    """The text, which JSON's escapes can make one that no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"a {what} must be whole characters, got {text!r} with half of one; correct it"
        ) from error
    return text


def annotated_size(record: Record, image_root: Path, exif: Exif) -> tuple[int, int]:
    """(height, width) by the image record, by the file's header where it says nothing; UserError
    where that fails.
    """
    height, width = record.get("height"), record.get("width")
    if height is None or width is None:
        return image_size(image_root / image_file_name(record), exif)
    try:
        size = int(height), int(width)
        whole = (
            size[0] == float(height)
            and size[1] == float(width)
            and 1 <= min(size) <= max(size) <= LONGEST_SIDE
        )
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise UserError(
            f"an image's height and width must be whole numbers from 1 to {LONGEST_SIDE}, got"
            f" {height!r} and {width!r} in image {record['id']!r}"
        )
    return size


def find_size_problems(
    paths: Iterable[Path], sizes: Iterable[tuple[int, int]], exif: Exif
) -> list[str]:
    """Compare image files' headers with their annotated sizes; a sentence for each difference."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = pool.map(lambda path, size: _size_problem(path, size, exif), paths, sizes)
        return [problem for problem in found if problem]


def _size_problem(path: Path, annotated: tuple[int, int], exif: Exif) -> str | None:
    try:
        if image_size(path, exif) == annotated:
            return None
        return size_mismatch(path, image_size(path, exif), annotated, exif)
    except UserError as error:
        return str(error)


def size_mismatch(
    path: Path, found: tuple[int, ...], annotated: tuple[int, ...], exif: Exif
) -> str:
    """What to tell of an image whose (height, width) is not the annotated one."""
    other: Exif = "ignore" if exif == "apply" else "apply"
    message = (
        f"{path} is {found[1]}x{found[0]} pixels (width x height), its annotations say"
        f" {annotated[1]}x{annotated[0]}"
    )
    if image_size(path, other) == annotated:
        return (
            f"{message}, as with data.exif={other}: set that if boxes were drawn so, else swap"
            " width and height"
        )
    return f"{message}; mend one of the two"
