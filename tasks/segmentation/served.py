"""What the web page is told of an image's labels, in JSON's types."""

from typing import Any

from PIL import Image

from tasks.label_plots import palette, resize_labels
from tasks.report.images import png_url
from tasks.segmentation.predict import ImageSegments


def page_answer(found: ImageSegments, preview: tuple[int, int]) -> dict[str, Any]:
    """Two PNGs, and each class's share of the pixels: `indices`, to be kept, whose palette shows
    the labels of the image, and `labels`, of the preview's (height, width), whose grays they are.
    """
    indices = Image.fromarray(found.labels)
    indices.putpalette(palette(found.label_map).tobytes())
    number = {name: label for label, name in enumerate(found.label_map.names)}
    shares = [{"label": number[name], "share": share} for name, share in found.shares.items()]
    return {
        "indices": png_url(indices),
        "labels": png_url(Image.fromarray(resize_labels(found.labels, preview))),
        "shares": shares,
    }
