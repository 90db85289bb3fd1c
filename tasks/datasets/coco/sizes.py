"""Read file names and sizes of a COCO file's images.  Sizes are (height, width) in pixels."""

from pathlib import Path

from tasks.datasets.coco.json_file import Record
from tasks.errors import DataError
from tasks.images import MOST_PIXELS, Exif, image_size


def image_file_name(record: Record) -> str:
    """Return the image record's file name, relative to the image folder.

    Raises DataError if it has none, or one that no file can have.
    """
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        rule = f"every image needs a file_name, got {name!r}"
        raise DataError(rule, "add it or remove the image", f"image {record['id']!r}")
    return writable(name, "file_name")


def writable(text: str, kind: str) -> str:
    """Return a text; DataError if JSON's escapes left half a character in it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        rule = f"a {kind} must be whole characters, got {text!r} with half of one"
        raise DataError(rule, "correct it") from error
    return text


def annotated_size(record: Record, image_root: Path, exif: Exif) -> tuple[int, int]:
    """Return (height, width) by the image record, otherwise by the file's header.

    Raises DataError for impossible sides and for files that cannot be read.
    """
    height = record.get("height")
    width = record.get("width")
    if height is None or width is None:
        return image_size(image_root / image_file_name(record), exif)
    try:
        size = (int(height), int(width))
        whole = size == (float(height), float(width))
        possible = whole and min(size) >= 1 and size[0] * size[1] <= MOST_PIXELS
    except (TypeError, ValueError, OverflowError):
        possible = False
    if not possible:
        rule = (
            f"an image's height and width must be whole numbers from 1 and of at most {MOST_PIXELS}"
            f" pixels, got {repr(height)[:40]} and {repr(width)[:40]}"
        )
        raise DataError(rule, "correct them", f"image {record['id']!r}")
    return size


def size_error(
    path: Path, size: tuple[int, ...], annotated: tuple[int, ...], exif: Exif
) -> DataError:
    """Make the error for an image with a (height, width) other than the annotated one."""
    rule = (
        f"{path} is {size[1]}x{size[0]} pixels (width x height), its annotations say"
        f" {annotated[1]}x{annotated[0]}"
    )
    opposite: Exif = "ignore" if exif == "apply" else "apply"
    if image_size(path, opposite) != annotated:
        return DataError(rule, "fix one of the two")
    way_out = f"set data.exif={opposite} if boxes were drawn so, otherwise swap width and height"
    return DataError(f"{rule}, as with data.exif={opposite}", way_out)
