"""The page of a check, on clean and on bad data of every kind."""

import re
from pathlib import Path

import pytest
from class_pictures import write_tree
from html_page import BROWSER, Page, browse, widths_within
from masks import write_classes, write_image, write_mask
from planted_defects import content, make_images, write

from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.class_images.check import check_class_splits
from tasks.datasets.class_images.class_images import read_class_images
from tasks.datasets.semantic.check import check_semantic
from tasks.datasets.semantic.layout import SemanticSource
from tasks.report.checks.page import write_page
from tasks.report.checks.splits import SHOWN


def boxes(folder: Path) -> CheckReport:
    folder.mkdir()
    make_images(folder)
    write(folder, content())
    split = Split("train", folder / "images", folder / "gt.json")
    return check([split], exif="apply", grid=AnchorGrid())


def labels(folder: Path) -> CheckReport:
    write_classes(folder / "classes.txt", "sky", "road")
    for number, name in enumerate("abc"):
        write_image(folder / f"train/images/{name}.png", 40, 60, shade=number)
        write_mask(folder / f"train/masks/{name}.png", [[0] * 60] * 20 + [[1] * 60] * 20)
    return check_semantic({"train": SemanticSource(root=folder)}, "apply")


def classes(folder: Path) -> CheckReport:
    names = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(9)]
    images = read_class_images(write_tree(folder / "train", names), "train")
    return check_class_splits({"train": images}, "apply")


KINDS = {"boxes": boxes, "labels": labels, "classes": classes}


@pytest.fixture(params=KINDS)
def clean(request: pytest.FixtureRequest, tmp_path: Path) -> CheckReport:
    report = KINDS[request.param](tmp_path / "data")
    assert report.findings == ()
    return report


def page_of(report: CheckReport, folder: Path, seed: int = 0) -> str:
    write_page(report, folder / "check.html", "apply", seed)
    return (folder / "check.html").read_text()


def test_clean_data_have_pictures_charts_and_no_empty_table(
    clean: CheckReport, tmp_path: Path
) -> None:
    text = page_of(clean, tmp_path)
    page = Page(text)
    assert page.headings == ["Findings", "Split train"]
    assert page.open == []
    assert page.fetched == []
    assert "No problems found." in text
    assert text.count('src="data:image/jpeg') == min(SHOWN, 18 if "<b>cat</b>" in text else 3)
    assert 'class="bars"' in text
    assert "<table" not in text


def test_the_seed_draws_the_images(tmp_path: Path) -> None:
    report = classes(tmp_path / "data")

    def shown(seed: int) -> list[str]:
        return re.findall(r'alt="(.*?)"', page_of(report, tmp_path, seed))

    assert shown(1) == shown(1)
    assert shown(1) != shown(2)
    assert len(shown(1)) == SHOWN < 18


def test_findings_are_linked_from_the_table_to_their_thumbnails(tmp_path: Path) -> None:
    make_images(tmp_path)
    made = content()
    made["annotations"][0]["bbox"] = [5, 5, 0, 0]
    write(tmp_path, made)
    report = check(
        [Split("train", tmp_path / "images", tmp_path / "gt.json")],
        exif="apply",
        grid=AnchorGrid(),
    )
    text = page_of(report, tmp_path)
    assert '<a href="#kind-degenerate-box">degenerate box</a>' in text
    assert '<h3 id="kind-degenerate-box">' in text
    assert 'alt="a.png, annotation 110"' in text
    assert Page(text).headings[-1] == "Each finding"


def test_it_has_a_dark_side_and_names_the_data(tmp_path: Path) -> None:
    text = page_of(boxes(tmp_path / "mine"), tmp_path)
    assert "prefers-color-scheme:dark" in text
    assert "<title>Data check: mine/gt.json</title>" in text


@pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome on the PATH")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_all_of_it(clean: CheckReport, tmp_path: Path, width: int) -> None:
    page_of(clean, tmp_path)
    page = tmp_path / "check.html"
    assert "CONSOLE" not in browse(page, "--dump-dom").stderr
    assert widths_within(page, width, tmp_path / "probe.html") == [str(width)] * 3
