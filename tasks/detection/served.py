"""An image's detections for the web page, in JSON's types."""

from typing import Any

from tasks.detection.predict import ImageDetections


def page_answer(found: ImageDetections, preview: tuple[int, int]) -> dict[str, Any]:
    """List all detections, by falling score: [x1, y1, x2, y2] in pixels of the image, score, label.

    They do not depend on the (height, width) of the preview.
    """
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return {"boxes": [{"box": box, "score": score, "label": label} for box, score, label in rows]}
