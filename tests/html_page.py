"""A report as a reader and a browser see it."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
)


class Page(HTMLParser):
    """The headings of a page, the tags that are open at its end, whatever it would fetch, and its
    scripts.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)
        addresses = (
            str(value)
            for name, value in attrs
            if name in ("src", "href", "srcset", "data", "action")
        )
        self.fetched += [address for address in addresses if not address.startswith(("data:", "#"))]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)


def check_in_browser(page: Path, folder: Path) -> None:
    """Show a page narrow and wide: nothing on the console, no blank quarter, nothing too wide."""
    if BROWSER is None:
        pytest.skip("needs chromium or google-chrome on the PATH")
    for width in (390, 1280):
        picture = folder / f"{width}.png"
        said = browse(page, f"--screenshot={picture}", f"--window-size={width},3000")
        assert "CONSOLE" not in said.stderr
        pixels = np.asarray(Image.open(picture).convert("RGB"))
        assert pixels.shape[1] == width
        assert all(np.unique(part).size > 20 for part in np.array_split(pixels, 4))
        assert widths_within(page, width, folder / "probe.html") == [str(width)] * 3


def widths_within(page: Path, width: int, probe: Path) -> list[str]:
    """Widths of the window, of the document and of its body in a frame, as a browser's own window
    is 500 at least.
    """
    measure = (
        "parent.document.title=[innerWidth,document.documentElement.scrollWidth,"
        "document.body.scrollWidth].join()"
    )
    inner = page.read_text().replace("</body>", f"<script>{measure}</script></body>")
    frame = (
        f'<iframe style="width:{width}px;height:3000px;border:0"'
        f' srcdoc="{html.escape(inner)}"></iframe>'
    )
    probe.write_text(
        f"<!DOCTYPE html><html><head><title>nothing</title></head><body>{frame}</body></html>"
    )
    shown = browse(probe, "--dump-dom", "--window-size=1400,3100").stdout
    title = re.search(r"<title>([\d,]+)</title>", shown)
    assert title is not None
    return title[1].split(",")


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the browser prints when it has loaded a page."""
    quiet = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
    )
    command = [str(BROWSER), *quiet, "--virtual-time-budget=3000", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
