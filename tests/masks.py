"""Tiny images and masks, written as a test says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic


def write_image(path: Path, height: int = 2, width: int = 3, shade: int = 0) -> Path:
    """A plain image; `shade` makes its pixels differ from others'."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (shade, 0, 0)).save(path)
    return path


def write_mask(path: Path, values: Sequence[object], palette: Sequence[int] = ()) -> Path:
    """Rows of values, or of colours; with a palette of reds, greens and blues, its indices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(values, dtype=np.uint8))
    if palette:
        image.putpalette([*palette, *[0] * (768 - len(palette))])
    image.save(path)
    return path


def write_classes(path: Path, *lines: str) -> Path:
    """A text file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def labels_of(root: Path, index: int = 0, **settings: object) -> list[list[int]]:
    """The labels of an image of the training split."""
    dataset = read_semantic(SemanticSource(root=root, **settings))  # type: ignore[arg-type]
    rows: list[list[int]] = dataset.read_labels(index).tolist()
    return rows
