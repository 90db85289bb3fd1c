"""Report and count unreadable images; too many are an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from resnet_backbones.errors import UserError
from tasks.classification.data.batch import ClassificationBatch
from tasks.datasets.class_images.class_images import ClassImages
from tasks.datasets.class_images.remote_shards import RemoteShards
from tasks.errors import DataError
from tasks.images import Exif, decode


@dataclass(frozen=True)
class Unreadable:
    """The unreadable images of a data set that this process has met."""

    images: ClassImages | RemoteShards
    exif: Exif
    most: float
    """Largest share of the images that may be unreadable."""
    note: Callable[[str], None]
    """Prints a line about each."""
    found: set[int] = field(default_factory=set)
    """Places of the images."""

    def watched(self, stream: Iterator[ClassificationBatch]) -> Iterator[ClassificationBatch]:
        """Yield the same batches; UserError once too many of their images were unreadable."""
        for batch in stream:
            if bool(batch.missing.any()):
                for image in set(batch.missing.tolist()):
                    if image:
                        self.add(image - 1)
            yield batch

    def add(self, place: int, reason: str | None = None) -> None:
        """Report and count an image, the first time; UserError if it is one too many."""
        if place in self.found:
            return
        self.found.add(place)
        reason = self._reason(place) if reason is None else reason
        allowed = int(self.most * len(self.images))
        if len(self.found) > allowed:
            rule = f"at most data.unreadable={self.most:g} of {self.images.path}"
            seen = f"{len(self.found)} of {len(self.images)} are not, the last {reason}"
            way_out = "repair or remove them, or raise data.unreadable"
            raise UserError(f"{rule} may be unreadable, {allowed} images, but {seen}; {way_out}")
        self.note(f"left out, {len(self.found)} of at most {allowed}: {reason}")

    def _reason(self, place: int) -> str:
        name = self.images.name(place)
        try:
            decode(self.images.read(place), self.exif)
        except DataError as error:
            return f"{name}: {error}"
        return f"{name}: could not be read a moment ago"
