"""An image's labels for the web page, in JSON's types."""

from typing import Any

from PIL import Image

from tasks.label_plots import palette, resize_labels
from tasks.report.images import png_url
from tasks.segmentation.predict import ImageSegments


def page_answer(found: ImageSegments, preview: tuple[int, int]) -> dict[str, Any]:
    """Return two PNGs and each class's share of the pixels. `indices`, for download, has the
    image's labels in the colours of a palette; `labels`, of the preview's (height, width), has them
    as grays.
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
