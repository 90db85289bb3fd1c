"""Result of the readers of all kinds, and errors about mask sizes. Sizes are (height, width)."""

from dataclasses import dataclass
from pathlib import Path

from tasks.datasets.findings import Finding
from tasks.datasets.semantic.dataset import SemanticDataset
from tasks.errors import DataError
from tasks.images import Exif


@dataclass(frozen=True)
class Opened:
    """A data set, and the problems that the headers of its files show."""

    dataset: SemanticDataset
    findings: list[Finding]


class MaskSizeError(DataError):
    """A mask whose size differs from its image's."""


def mask_size_error(
    mask: Path, size: tuple[int, ...], image: tuple[int, ...], turned_by: Exif | None = None
) -> MaskSizeError:
    """Make the error for a mask whose size differs from its image's.

    `turned_by` is the setting by which EXIF turned the image by a right angle.
    """
    rule = (
        f"{mask} is {size[1]}x{size[0]} pixels (width x height), its image is"
        f" {image[1]}x{image[0]}; a mask must be of its image's size"
    )
    if turned_by is None or size != image[::-1]:
        return MaskSizeError(rule, "correct one of the two")
    opposite = "ignore" if turned_by == "apply" else "apply"
    return MaskSizeError(rule, f"set data.exif={opposite} if masks were drawn so")
