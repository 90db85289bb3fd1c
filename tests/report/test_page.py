"""Tables of a page in a browser: sorted and folded by its script, and whole without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browsing

from tasks.report.page import Cell, page, table

FIRST = "[...document.querySelectorAll('tbody th')].map(cell => cell.textContent)"
SHOWN = "[...document.querySelectorAll('tbody tr')].filter(row => !row.hidden).length"
VALUES = (("b", "9.5"), ("a", "100.0"), ("d", "n/a"), ("c", "12.0"), ("e", ""))


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def show(tab: Tab, folder: Path, content: str) -> None:
    """Open a page with one section."""
    (folder / "page.html").write_text(page("A page", "", [("Classes", content)]))
    tab.open((folder / "page.html").as_uri())
    tab.until("document.readyState === 'complete' && !!document.querySelector('table')")


def click(tab: Tab, selector: str) -> None:
    tab.value(f"document.querySelector({selector!r}).click()")


def press(tab: Tab, selector: str, key: str, code: int) -> None:
    """Move to a control as the Tab key does, and press a key there."""
    tab.value(f"document.querySelector({selector!r}).focus()")
    for kind in ("keyDown", "keyUp"):
        named = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
        tab.call("Input.dispatchKeyEvent", **named, text="\r" if kind == "keyDown" else "")


def scores(values: tuple[tuple[str, str], ...] = VALUES) -> str:
    return table(("class", "AP"), [(name, (value,)) for name, value in values])


def test_numbers_are_sorted_as_numbers_largest_first_and_unknown_ones_stay_last(
    tab: Tab, tmp_path: Path
) -> None:
    show(tab, tmp_path, scores())
    click(tab, "thead th:nth-child(2) button")
    assert tab.value(FIRST) == ["a", "c", "b", "d", "e"]
    assert tab.value("document.querySelectorAll('thead th')[1].ariaSort") == "descending"
    click(tab, "thead th:nth-child(2) button")
    assert tab.value(FIRST) == ["b", "c", "a", "d", "e"]
    assert tab.errors == []


def test_texts_are_sorted_by_the_alphabet_from_the_keyboard(tab: Tab, tmp_path: Path) -> None:
    show(tab, tmp_path, scores())
    press(tab, "thead th:nth-child(1) button", "Enter", 13)
    assert tab.value(FIRST) == ["a", "b", "c", "d", "e"]
    assert tab.value("document.querySelectorAll('thead th')[0].ariaSort") == "ascending"


def test_a_long_table_shows_fifteen_rows_until_a_click(tab: Tab, tmp_path: Path) -> None:
    rows = [(f"class {place:02d}", (str(place),)) for place in range(80)]
    show(tab, tmp_path, table(("class", "AP"), rows, tall=True))
    assert tab.value(SHOWN) == 15
    click(tab, "thead th:nth-child(2) button")
    assert tab.value(SHOWN) == 15
    assert tab.value(FIRST)[:2] == ["class 79", "class 78"]
    click(tab, "button.more")
    assert tab.value(SHOWN) == 80
    click(tab, "button.more")
    assert tab.value(SHOWN) == 15


def test_a_matrix_keeps_its_order(tab: Tab, tmp_path: Path) -> None:
    rows = [(name, (Cell("1", heat=0.5), Cell("2", heat=0.5))) for name in ("b", "a")]
    show(tab, tmp_path, table(("true", "b", "a"), rows))
    assert tab.value("document.querySelectorAll('button').length") == 0


def test_a_wide_table_scrolls_in_its_frame_on_a_phone(tab: Tab, tmp_path: Path) -> None:
    head = ("class", *(f"a long head {place}" for place in range(9)))
    show(tab, tmp_path, table(head, [("cat", ["0.0"] * 9)]))
    tab.resize(390, 800)
    assert tab.value("document.documentElement.scrollWidth") == 390
    assert tab.value("(f => f.scrollWidth > f.clientWidth)(document.querySelector('.wide'))")


def test_without_its_script_a_table_holds_every_row_and_no_control(tmp_path: Path) -> None:
    rows = [(f"class {place}", (str(place),)) for place in range(80)]
    made = table(("class", "AP"), rows, tall=True)
    assert made.count('<tr><th scope="row">class ') == 80
    assert "hidden" not in made
    assert "<button" not in made
