"""A segmenter's own answer to the page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from served_page import served_run


def test_the_page_is_told_the_labels(trained: Path, masks: Path) -> None:
    file = masks / "val" / "images" / "000.png"
    served, segmenter = served_run(trained)
    answer = served.answer(file.read_bytes())
    content = base64.b64decode(answer["indices"].partition(",")[2])
    kept = np.asarray(Image.open(io.BytesIO(content)))
    assert np.array_equal(kept, segmenter(file).labels)
