"""An image's classes for the web page, in JSON's types."""

from typing import Any

import numpy as np

from tasks.classification.predict import ImageClasses

SHOWN = 20


def page_answer(found: ImageClasses, preview: tuple[int, int]) -> dict[str, Any]:
    """List the most likely labels with their probabilities, the best first.

    They do not depend on the (height, width) of the preview.
    """
    labels = np.argsort(-found.probabilities, kind="stable")[:SHOWN].tolist()
    chances = found.probabilities[labels].tolist()
    pairs = zip(labels, chances, strict=True)
    return {"classes": [{"label": label, "score": chance} for label, chance in pairs]}
