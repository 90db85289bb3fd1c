"""The page over three runs: whole, quiet in a browser, sorted by a click."""

import re
from pathlib import Path

import pytest
from browser import browsing
from html_page import BROWSER, Page, widths_within
from recorded import write_run

from tasks.report.several.compare import compare_several
from tasks.report.several.page import write_several

SCORES = ("box/AP", "box/AP50")


def write_page(folder: Path, runs: list[Path]) -> Path:
    return write_several(compare_several("detection", runs, SCORES), folder / "compare.html")


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two scored runs, one with a name like HTML, and one that has begun."""
    folders = []
    for name, lr, ap in (("a<b", 0.1, 0.5), ("c", 0.01, 0.75), ("fresh", 0.1, None)):
        rows = [{"step": step, "loss": 2 / step, "images_per_s": 9.0} for step in range(1, 31)]
        if ap is not None:
            rows[-1] |= {"box/AP": ap, "weights": "model"}
        scores = None if ap is None else {"box/AP": ap}
        folders.append(write_run(tmp_path / name, rows=rows, scores=scores, optim={"lr": lr}))
    return folders


def test_the_page_is_whole_and_fetches_nothing(runs: list[Path], tmp_path: Path) -> None:
    page = Page(write_page(tmp_path, runs).read_text())
    assert page.headings == ["Runs", "Curves", "Settings that differ"]
    assert (page.fetched, page.open) == ([], [])


def test_the_table_marks_the_best_and_has_dashes(runs: list[Path], tmp_path: Path) -> None:
    text = write_page(tmp_path, runs).read_text()
    assert '<td data-order="0.75"><b>75.0</b></td>' in text
    assert '<td data-order="0.5">50.0</td>' in text
    assert "a&lt;b" in text
    assert "<b>-</b>" not in text
    assert "<td>-</td>" in text


def test_every_run_has_its_line_in_the_charts_of_what_it_measured(
    runs: list[Path], tmp_path: Path
) -> None:
    text = write_page(tmp_path, runs).read_text()
    charts = dict(re.findall(r"<figcaption>([^<]+)</figcaption>(.*?)</figure>", text))
    assert list(charts) == ["Training loss", "AP, %"]
    assert re.findall("<title>([^<]+)<", charts["Training loss"]) == ["c", "a&lt;b", "fresh"]
    assert re.findall("<title>([^<]+)<", charts["AP, %"]) == ["c", "a&lt;b"]


def test_the_axis_ends_at_the_last_step_of_the_longest_run(
    runs: list[Path], tmp_path: Path
) -> None:
    runs.append(write_run(tmp_path / "long", rows=[{"step": 90, "loss": 1.0}]))
    text = write_page(tmp_path, runs).read_text()
    assert re.findall(r'class="\w+ soft">(\d+)</text>', text)[-5:] == ["0", "20", "40", "60", "80"]


def test_settings_have_a_row_for_each_run(runs: list[Path], tmp_path: Path) -> None:
    section = write_page(tmp_path, runs).read_text().split('id="settings-that-differ"')[1]
    assert re.findall('scope="col"[^>]*>([^<]+)<', section) == ["run", "optim.lr"]
    assert re.findall(r'data-order="([\d.]+)"', section) == ["0.01", "0.1", "0.1"]


def test_runs_with_the_same_settings_say_so(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name) for name in ("a", "b")]
    text = write_page(tmp_path, folders).read_text()
    assert "All settings are alike" in text
    assert Page(text).headings == ["Runs", "Settings that differ"]


def test_the_same_files_give_the_same_bytes(runs: list[Path], tmp_path: Path) -> None:
    first = write_page(tmp_path, runs).read_bytes()
    assert write_page(tmp_path, runs).read_bytes() == first


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_too_wide_for_a_browser(runs: list[Path], tmp_path: Path, width: int) -> None:
    if BROWSER is None:
        pytest.skip("needs chromium or google-chrome on the PATH")
    page = write_page(tmp_path, runs)
    assert widths_within(page, width, tmp_path / "probe.html") == [str(width)] * 3


def test_a_click_on_a_heading_sorts(runs: list[Path], tmp_path: Path) -> None:
    """Numbers fall first, then rise; what is not known stays last."""
    page = write_page(tmp_path, runs)
    names = "[...document.querySelectorAll('#runs tbody th')].map(one => one.textContent).join()"
    heads = "document.querySelectorAll('#runs thead button')"
    with browsing(tmp_path) as tab:
        tab.open(page.as_uri())
        tab.until(f"{heads}.length > 0")
        tab.value(f"{heads}[1].click()")
        falling = tab.value(names)
        tab.value(f"{heads}[1].click()")
        rising = tab.value(names)
        tab.value(f"{heads}[0].click()")
        by_name = tab.value(names)
        assert tab.errors == []
    assert (falling, rising, by_name) == ("c,a<b,fresh", "a<b,c,fresh", "a<b,c,fresh")
