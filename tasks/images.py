"""One decoder for training, evaluation and prediction: any image file to RGB bytes.

H and W are height and width in pixels.
"""

import errno
import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from resnet_backbones.errors import UserError
from tasks.errors import DataError
from tasks.png import check_pixels, with_one_pixel
from tasks.stages import DECODE, stage

Exif = Literal["apply", "ignore"]
Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Labels = NDArray[np.uint8]
"""(H, W): contiguous labels, and IGNORED where a pixel counts for nothing."""
ImageSource = str | Path | bytes | Image.Image | NDArray[np.generic]

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".tif"),
        *(".tiff", ".webp", ".avif", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    )
)
MOST_PIXELS = 178_956_970
"""Largest image in pixels; PIL refuses more, so that a small file cannot fill the memory."""
_ORIENTATION_TAG = 0x0112
_TURNS = {  # EXIF orientation to the operation that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What PIL raises on files that are not images, or cut off, or damaged.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class OpenImage:
    """An image of which only the header is read so far."""

    source: ImageSource
    stored: Image.Image
    exif: Exif
    size: tuple[int, int]
    """Height and width after decoding, upright if EXIF is applied."""

    def rgb(self, reduced: int = 1) -> Image.Image:
        """Decode it to RGB, upright.

        A JPEG file is decoded up to `reduced` times smaller, 1 to 8, if its decoder can. That is
        faster; each pixel is then the mean of a square.
        """
        with _naming(self.source), stage(DECODE):
            return self._rgb(reduced)

    def _rgb(self, reduced: int) -> Image.Image:
        if reduced > 1 and self.stored.format == "JPEG":
            width, height = self.stored.size
            self.stored.draft(None, (width // reduced, height // reduced))
        return _rgb(_upright(self.stored, self.exif))


@contextmanager
def opened(source: ImageSource, exif: Exif = "apply") -> Iterator[OpenImage]:
    """Open an image from any source that `decode` takes, without decoding its pixels.

    Errors are those of `decode`.
    """
    if isinstance(source, np.ndarray):
        image = Image.fromarray(_from_array(source))
        yield OpenImage(source, image, exif, (image.height, image.width))
        return
    with ExitStack() as stack:
        with _naming(source), stage(DECODE):
            image = stack.enter_context(_open(source))
            _check_png(image)  # PIL does not check them
            width, height = image.size
            turned = exif == "apply" and _orientation(image) >= 5
        yield OpenImage(source, image, exif, (width, height) if turned else (height, width))


def decode(source: ImageSource, exif: Exif = "apply") -> NDArray[np.uint8]:
    """Decode any image to RGB pixels (H, W, 3) uint8.

    The source is a file, its bytes, a PIL image, or an array (H, W), (H, W, 3) or (H, W, 4). Gray
    and palette images become RGB, alpha is dropped, 16-bit values are divided by 257. Raises
    DataError naming the file that is missing, cut off, or of a kind that has no agreed conversion
    (floating point), and UserError for an array of another type or shape.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    with opened(source, exif) as image:
        return np.array(image.rgb())


def stored_values(source: ImageSource) -> NDArray[np.generic]:
    """Decode the stored values of an image, not converted and not rotated; errors as `decode`.

    (H, W) gray values or indices of a palette, (H, W, 2) with alpha beside them, (H, W, 3) or
    (H, W, 4) colours.
    """
    with opened(source, "ignore") as image, _naming(source), stage(DECODE):
        return np.asarray(image.stored)


def image_size(source: str | Path | bytes, exif: Exif = "apply") -> tuple[int, int]:
    """Read (height, width) of the decoded image from the file's header; errors as `decode`."""
    stored, upright = image_sizes(source)
    return upright if exif == "apply" else stored


def image_sizes(source: str | Path | bytes) -> tuple[tuple[int, int], tuple[int, int]]:
    """Read (height, width) from the file's header, as stored and as EXIF turns it upright.

    Errors as `decode`.
    """
    try:
        with Image.open(_stream(source)) as image:
            width, height = image.size
            turned = _orientation(_without_pixels(image)) >= 5
    except _UNREADABLE as error:
        raise _unreadable(source, error) from error
    stored = (height, width)
    return stored, ((width, height) if turned else stored)


def find_images(path: str | Path, way_out: str = "correct the path") -> list[Path]:
    """List the image files under a folder, sorted, or the one file given.

    Raises UserError if there are none, or for a whole disk, with what to do about it.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if path.is_dir() and path.resolve() == Path(path.resolve().anchor):
        raise UserError(f"expected a folder of images, but {path} is the whole disk; {way_out}")
    images = [file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES]
    files = sorted(file for file in images if file.is_file() and not _is_junk(file, path))
    if not files:
        problem = "does not exist"
        if path.is_dir():
            problem = f"holds no file ending in {', '.join(sorted(SUFFIXES))}"
        rule = f"expected an image or a folder of images, but {path} {problem}"
        raise UserError(f"{rule}; {way_out}")
    return files


def is_hidden(name: str) -> bool:
    """Whether a relative path, or a folder in it, is hidden or was added by macOS."""
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _is_junk(file: Path, folder: Path) -> bool:
    return is_hidden(file.relative_to(folder).as_posix())


@contextmanager
def _naming(source: ImageSource) -> Iterator[None]:
    """Context that turns PIL's errors into the error that names an image."""
    try:
        yield
    except _UNREADABLE as error:
        raise _unreadable(source, error) from error


def _open(source: str | Path | bytes | Image.Image) -> AbstractContextManager[Image.Image]:
    if isinstance(source, Image.Image):
        return nullcontext(source)  # the caller closes it
    return Image.open(_stream(source))


def _check_png(image: Image.Image) -> None:
    """Compare a PNG's pixels with their checksum, as PIL would decode wrong ones silently."""
    file = getattr(image, "fp", None)  # none once an image is decoded
    if image.format == "PNG" and file is not None:
        check_pixels(file)


def _stream(source: str | Path | bytes) -> Path | io.BytesIO:
    """Return what PIL can open; OSError for a pipe or a device, as PIL would wait for its end."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    path = Path(source)
    if path.exists() and not path.is_file():
        raise OSError("not a file, but a folder, a pipe or a device")
    return path


def _unreadable(source: ImageSource, error: BaseException) -> UserError:
    """Make the error that names an image PIL cannot decode; a DataError if the image is to
    blame.
    """
    name = f"{len(source)} bytes of image data" if isinstance(source, bytes) else str(source)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        way_out = "`ulimit -n 4096` before the command allows more; lower data.workers needs fewer"
        return UserError(f"a process must be allowed enough open files, got {error}; {way_out}")
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        sizes = "lower data.workers or data.batch_size, or allow more memory"
        return UserError(f"{name} must fit into memory, and none is left; {sizes}")
    if isinstance(error, FileNotFoundError):
        way_out = "check the image folder and the annotations' file names"
        return DataError(f"image file {name} does not exist", way_out)
    reason = str(error)
    if isinstance(error, UnidentifiedImageError):
        reason = "not an image file that PIL knows"
    way_out = "replace the file or take it out of the data"
    return DataError(f"cannot decode {name}: {reason}", way_out)


def _without_pixels(image: Image.Image) -> Image.Image:
    """Return an image with the EXIF block of an open one. For a PNG file it is a copy with one
    pixel, because PIL would decode all pixels to look behind them.
    """
    if not isinstance(image, PngImageFile) or "exif" in image.info:
        return image
    assert image.fp is not None, "the file is open"
    return Image.open(io.BytesIO(with_one_pixel(image.fp)))


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation 1..8; 1 if it is missing or damaged."""
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, EOFError, struct.error):
        return 1  # a damaged EXIF block says nothing about the pixels
    return value if value in _TURNS else 1


def _upright(image: Image.Image, exif: Exif) -> Image.Image:
    """Rotate the image as its EXIF block says, unless that is to be ignored."""
    turn = _TURNS.get(_orientation(image)) if exif == "apply" else None
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB."""
    if image.mode.startswith("I"):  # 16 bits, which PIL may give as 32
        return Image.fromarray(_from_array(_checked_16_bit(np.asarray(image))))
    if image.mode == "F":
        raise UserError("floating-point images have no agreed range; save them with 8 or 16 bits")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if image.mode == "RGB":  # converting would copy it
        image.load()
        return image
    return image.convert("RGB")


def _checked_16_bit(values: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Return the gray values of a 16-bit image; UserError if they do not fit into 16 bits."""
    whole = values.astype(np.int64)
    if whole.size and (whole.min() < 0 or whole.max() > 65535):
        raise UserError(
            f"gray values must be 0..65535, got {whole.min()}..{whole.max()}; save with 8 or 16"
            " bits"
        )
    return whole.astype(np.uint16)


def _from_array(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Copy an array of gray, RGB or RGBA values as RGB pixels."""
    shape: Sequence[int] = values.shape
    is_picture = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if values.dtype not in (np.uint8, np.uint16) or not is_picture:
        raise UserError(
            "an image array must be uint8 or uint16 of shape (H, W), (H, W, 3) or (H, W, 4), RGB, "
            f"got {values.dtype} of shape {tuple(shape)}"
        )
    if values.dtype == np.uint16:
        values = (values.astype(np.uint32) + 128) // 257
    colours = values.reshape(*shape[:2], -1)[:, :, :3].astype(np.uint8, order="C")
    return np.repeat(colours, 3, axis=2) if colours.shape[2] == 1 else colours
