"""Run image files through a network, many images of one shape at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile
from tasks.images import Exif, ImageSource, Pixels, decode, find_images
from tasks.labels import LabelMap


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """A network's result on an image; a task derives its own with its drawing."""

    label_map: LabelMap
    """The network's classes."""
    image: ImageSource = field(repr=False)
    """The network's input: a path, or the object itself. It is read again for drawing, so that
    results of many files hold no pixels."""
    exif: Exif = "apply"
    """How the image was decoded."""

    @property
    def pixels(self) -> Pixels:
        """The decoded image: (H, W, 3) uint8, RGB."""
        return decode(self.image, self.exif)

    def above(self, score: float) -> Self:
        """Return the result without lower scores; all of it, if there are no scores."""
        return self

    def plot(self) -> Pixels:
        """Draw the result into the image: (H, W, 3) uint8, RGB."""
        raise NotImplementedError

    def to_records(self, image_id: int | str) -> list[dict[str, Any]]:
        """Records of a results file."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the picture of `plot` to a file; its ending gives the format."""
        save_picture(self.plot(), path)


Result = TypeVar("Result", bound=ImageResult)


class ImagePredictor(Generic[Result]):
    """A trained network: call it on an image for a result, or on a list of them.

    Tasks define in `stream` how pixels become results, and in `exif` how files are decoded.
    """

    @overload
    def __call__(self, images: ImageSource) -> Result: ...  # type: ignore[overload-overlap]  # str
    @overload
    def __call__(self, images: Sequence[ImageSource]) -> list[Result]: ...
    def __call__(self, images: ImageSource | Sequence[ImageSource]) -> Result | list[Result]:
        """Return the result of one image, or of each in a list or tuple.

        An image is a path, the bytes of a file, a PIL image, or an array (H, W) or (H, W, 3), RGB,
        of uint8. UserError for anything else, and for files that cannot be decoded.
        """
        if isinstance(images, list | tuple):
            return self._predict_all(images)
        return self._predict_all([images])[0]  # type: ignore[list-item]  # other kinds are refused

    @property
    def exif(self) -> Exif:
        """Whether EXIF rotation is applied, as in training."""
        raise NotImplementedError

    def stream(self, images: Iterable[Pixels]) -> Iterator[Result]:
        """Yield the result of each decoded image, in order.

        Each result keeps its pixels in memory.
        """
        raise NotImplementedError

    def read(self, image: ImageSource) -> Pixels:
        """Decode the pixels of an image as in training; UserError for anything that is not an
        image.
        """
        if not isinstance(image, str | Path | bytes | Image.Image | np.ndarray):
            raise UserError(
                "an image must be a path, the bytes of a file, a PIL image or a uint8 array of"
                f" shape (H, W) or (H, W, 3), got {type(image).__name__}; several images go into"
                " one list"
            )
        return decode(image, self.exif)

    def _predict_all(self, sources: Sequence[ImageSource]) -> list[Result]:
        found = self.stream(self.read(source) for source in sources)
        pairs = zip(found, sources, strict=True)
        return [replace(result, image=source) for result, source in pairs]


def save_picture(pixels: Pixels, path: str | Path) -> None:
    """Write pixels (H, W, 3) to a picture file; its ending gives the format."""
    form = Image.registered_extensions().get(Path(path).suffix.lower(), "")
    if form not in Image.SAVE:
        raise UserError(f"a picture must end in .jpg or .png, got {path}")
    with AtomicFile(Path(path), lasting=False) as file:
        Image.fromarray(pixels).save(file, form, quality=92)


def runs_of_one_shape(images: Iterable[Pixels], most: int) -> Iterator[list[Pixels]]:
    """Yield neighbours of one shape together, at most `most`."""
    for _, alike in groupby(images, key=lambda pixels: pixels.shape):
        while run := list(islice(alike, most)):
            yield run


def results_of_files(
    files: Iterable[Path],
    read: Callable[[Path], Pixels],
    stream: Callable[[Iterable[Pixels]], Iterator[Result]],
    problems: list[str],
) -> Iterator[tuple[Path, Result]]:
    """Yield each file with the result of its pixels.

    A file that cannot be read is left out, and its error is added to `problems`.
    """
    waiting: deque[Path] = deque()  # read, without a result yet

    def readable() -> Iterator[Pixels]:
        for file in files:
            try:
                pixels = read(file)
            except UserError as error:
                problems.append(str(error))
            else:
                waiting.append(file)
                yield pixels

    for result in stream(readable()):
        yield waiting.popleft(), result


def is_time_to_write(done: int) -> bool:
    """Whether to write the results so far. A killed process then keeps at least half of them, and
    all writing together takes at most twice as long as the last one.
    """
    return done & (done - 1) == 0  # a power of two


def outputs_of(sources: Sequence[Path], folder: Path, ending: str) -> dict[Path, Path]:
    """Choose the file in `folder` to write for each image in files and folders.

    It is named NAME`ending`, and keeps its place below a source folder. If `folder` is inside the
    source, its files are left out, as an earlier prediction wrote them. UserError for a source
    without images, and if `folder` is a source.
    """
    outputs: dict[Path, Path] = {}
    taken: set[Path] = set()
    for source in sources:
        if source.is_dir() and source.resolve() == folder.resolve():
            raise UserError(f"--out must be another folder than the images', got {folder} for both")
        for file in _images_of(source, folder):
            place = folder / (file.relative_to(source) if source.is_dir() else file.name)
            stems = (place.stem, place.name, f"{len(outputs)}_{place.name}")
            names = (place.with_name(f"{stem}{ending}") for stem in stems)
            outputs[file] = next(path for path in names if path not in taken)
            taken.add(outputs[file])
    return outputs


def _images_of(source: Path, folder: Path) -> list[Path]:
    """List the images of a file or folder, without those in `folder`, which may be inside."""
    files = find_images(source)
    if not source.is_dir() or not folder.resolve().is_relative_to(source.resolve()):
        return files
    others = [file for file in files if not file.resolve().is_relative_to(folder.resolve())]
    if not others:
        raise UserError(f"{source} must hold images outside of --out, got {folder} for all of them")
    return others
