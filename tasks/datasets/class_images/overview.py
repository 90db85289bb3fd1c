"""The overview of class images for a page.  N images, K classes."""

from collections.abc import Sequence

import numpy as np

from tasks.datasets.checks.overview import Example, Overview
from tasks.datasets.class_images.class_images import ClassImages
from tasks.images import Exif, decode

Size = tuple[int, int]


def class_overview(images: ClassImages, sizes: Sequence[Size | None], exif: Exif) -> Overview:
    """Count the images of each class; `sizes` (N,) are None for images that cannot be read."""
    readable = [index for index, size in enumerate(sizes) if size is not None]
    known = [size for size in sizes if size is not None]
    names = images.label_map.names

    def example(place: int) -> Example:
        index = readable[place]
        pixels = decode(images.read(index), exif)
        return Example(images.name(index), pixels, class_name=names[int(images.labels[index])])

    return Overview(
        counted="images",
        label_map=images.label_map,
        by_class=np.bincount(images.labels, minlength=len(names)).astype(np.float64),
        sizes=np.array(known, dtype=np.int64).reshape(-1, 2),
        examples=len(readable),
        example=example,
    )
