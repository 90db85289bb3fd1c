"""The views of an image that a classifier gets at test."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from tasks.classification.config import TestConfig
from tasks.classification.data.windows import crop_at, resized_for_test

CORNERS = ("top left", "top right", "bottom left", "bottom right", "center")


@dataclass(frozen=True)
class View:
    """One view of an image."""

    resize: int | None
    """Shorter side in pixels; None is the image's own."""
    crop: int | None
    """Side of the square that is cut out; None is all of the image."""
    corner: str = "center"
    flip: bool = False

    def of(self, image: Image.Image, config: TestConfig) -> Image.Image:
        """Cut out the view."""
        pixels = resized_for_test(image, self.resize, config)
        if self.flip:  # before the crop, as in torchvision, which rounds the centre
            pixels = pixels.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return pixels if self.crop is None else crop_at(pixels, self.crop, self.corner)


def views_of(config: TestConfig) -> list[tuple[View, ...]]:
    """Group the views of every image by size."""
    if config.views == "ten":
        five = [View(config.resize, config.crop, corner) for corner in CORNERS]
        return [(*five, *(replace(view, flip=True) for view in five))]
    if config.views == "scales":
        groups = [(View(side, None),) for side in config.scales]
    else:
        groups = [(View(config.resize, config.crop),)]
    if not config.flip:
        return list(groups)
    return [(view, replace(view, flip=True)) for (view,) in groups]
