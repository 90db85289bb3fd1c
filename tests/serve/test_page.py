"""The page in a browser: what a person sees of each task, and how it is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Tab, browsing
from PIL import Image
from served_page import HOSTILE, serving

NAME = "<b onclick=alert(1)>'&quot;.png"
READY = "document.querySelectorAll('#strip button').length == {} && progress.hidden"
ROWS = "[...document.querySelectorAll('#list li')].map(row => row.textContent)"
SAVED = """
new Promise(done => {
  const make = URL.createObjectURL;
  URL.createObjectURL = blob => { blob.text().then(done); return make.call(URL, blob); };
  document.getElementById('save').click();
})"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browsing(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    files = [tmp_path / NAME, tmp_path / "second.jpg"]
    for file in files:
        Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(file)
    return files


def show(tab: Tab, url: str, files: list[Path], ready: int) -> None:
    tab.errors.clear()
    tab.open(url)
    tab.until("document.title == 'Try runs/toy'")
    tab.choose("#files", files)
    tab.until(READY.format(ready))


def slide(tab: Tab, value: float) -> None:
    tab.value(f"range.value = {value}; range.dispatchEvent(new Event('input'))")


def test_the_threshold_moves_without_the_network(tab: Tab, images: list[Path]) -> None:
    with serving("detection") as server:
        show(tab, server.url, images, 2)
        assert tab.value(ROWS) == ["cat0.90", f"{HOSTILE}0.60"]
        before = tab.value("canvas.toDataURL()")
        slide(tab, 0.7)
        assert tab.value(ROWS) == ["cat0.90"]
        assert tab.value("canvas.toDataURL()") != before
        slide(tab, 0.95)
        assert tab.value(ROWS) == ["Nothing of that score; the highest is 0.90."]
        assert server.served.predictor.calls == 2
    assert tab.errors == []


def test_what_is_saved_is_cocos_json_above_the_threshold(tab: Tab, images: list[Path]) -> None:
    with serving("detection") as server:
        show(tab, server.url, images, 2)
        content = json.loads(tab.value(SAVED))
    assert [image["file_name"] for image in content["images"]] == [NAME, "second.jpg"]
    assert [one["category_id"] for one in content["annotations"]] == [20, 30, 20, 30]
    assert content["annotations"][1]["bbox"] == [20, 5, 12, 12]
    assert content["categories"][1] == {"id": 20, "name": "cat"}


def test_names_of_files_and_classes_are_text(tab: Tab, images: list[Path], tmp_path: Path) -> None:
    hostile = tmp_path / HOSTILE
    hostile.write_bytes(b"no image")
    with serving("classification") as server:
        show(tab, server.url, [*images, hostile], 2)
        assert tab.value("caption.textContent").startswith(f"{NAME}, 60 × 40: {HOSTILE} 70 %")
        assert tab.value("problems.textContent").startswith(f"{HOSTILE}: the image cannot be")
        tags = "document.querySelectorAll('#list b[onclick], [onerror], figcaption b').length"
        assert tab.value(tags) == 0


def test_classes_have_bars_and_are_saved(tab: Tab, images: list[Path]) -> None:
    with serving("classification") as server:
        show(tab, server.url, images, 2)
        bars = "[...document.querySelectorAll('#list div div')].map(bar => bar.style.width)"
        widths = [float(width.removesuffix("%")) for width in tab.value(bars)]
        assert widths == pytest.approx([70, 20, 10], abs=0.01)
        slide(tab, 0.15)
        content = json.loads(tab.value(SAVED))
    assert content[1]["file"] == "second.jpg"
    assert [one["name"] for one in content[0]["classes"]] == [HOSTILE, "cat"]


def test_masks_lie_over_the_image_and_are_saved_as_they_are(tab: Tab, images: list[Path]) -> None:
    pixel = "[...canvas.getContext('2d').getImageData({} * canvas.width, 20, 1, 1).data]"
    with serving("segmentation") as server:
        show(tab, server.url, images, 2)
        assert tab.value(pixel.format(0.25))[:3] == pytest.approx([200] * 3, abs=2)  # background
        slide(tab, 1)
        assert tab.value(pixel.format(0.75)) == [255, 194, 26, 255]  # the third class's colour
        assert tab.value(ROWS) == ["background50 %", f"{HOSTILE}50 %"]
        clicked = """
        new Promise(done => {
          HTMLAnchorElement.prototype.click = function () { done([this.download, this.href]); };
          document.getElementById('save').click();
        })"""
        name, address = tab.value(clicked)
        assert name == "_b_onclick_alert_1_quot_.png_labels.png".replace(".png_", "_")
        assert address.startswith("data:image/png;base64,")


def test_a_video_becomes_images_that_can_be_played(tab: Tab, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    file = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"vp09"), 8, (64, 48))
    for number in range(8):
        writer.write(np.full((48, 64, 3), 30 * number, np.uint8))
    writer.release()
    with serving("detection") as server:
        show(tab, server.url, [file], 4)  # a second, four pictures
        assert tab.value("caption.textContent").startswith("clip.mp4 0:00.00, 64 × 48")
        tab.value("play.click()")
        tab.until("place.textContent == '3 of 4'")


def test_the_keyboard_walks_through_the_images(tab: Tab, images: list[Path]) -> None:
    with serving("detection") as server:
        show(tab, server.url, images, 2)
        for kind in ("keyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight")
        assert tab.value("place.textContent") == "2 of 2"


@pytest.mark.parametrize("task", ["detection", "classification", "segmentation"])
def test_nothing_is_wider_than_the_window(tab: Tab, images: list[Path], task: str) -> None:
    with serving(task) as server:
        show(tab, server.url, images, 2)
        for width in (390, 1280):
            tab.resize(width, 900, dark=True)
            tab.until(f"innerWidth == {width}")
            assert tab.value("document.documentElement.scrollWidth") == width
