"""A detector's own answer to the page."""

from pathlib import Path

import pytest
from noise_data import picture
from PIL import Image
from saved_detector import save_detector
from served_page import served_run


def test_the_page_is_told_of_all_that_a_detector_finds(tmp_path: Path) -> None:
    Image.fromarray(picture(40, 60)).save(tmp_path / "a.png")
    served, detector = served_run(save_detector(tmp_path / "run"))
    answer = served.answer((tmp_path / "a.png").read_bytes())
    found = detector(tmp_path / "a.png")
    assert len(answer["boxes"]) == len(found) > 0
    assert answer["boxes"][0]["score"] == pytest.approx(float(found.scores[0]))
    assert answer["boxes"][0]["box"] == pytest.approx(found.boxes[0].tolist())
