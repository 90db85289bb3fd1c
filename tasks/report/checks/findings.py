"""The findings of a check as HTML, with thumbnails on which the bad box is marked."""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageDraw

from resnet_backbones.errors import UserError
from tasks.boxes import Box
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.findings import Finding
from tasks.images import Exif, Pixels, decode
from tasks.report.images import data_url, thumbnail
from tasks.report.page import Cell, folded, table

STYLE = """
.finding{margin:6px 0;padding-left:1.2rem;font-size:.9rem}.finding li{margin:6px 0}
.finding small{color:var(--soft)}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(clamp(140px,22%,240px),1fr));gap:12px;
align-items:start;margin:0 0 12px}
.shots img{max-width:100%;max-height:240px;height:auto;display:block;margin:0 auto;
border-radius:4px}
.error,.warning{font-weight:600}.error{color:var(--bad)}.warning{color:#8a5a00}
@media (prefers-color-scheme:dark){.warning{color:var(--s1)}}
"""
SIDE = 300  # pixels of a thumbnail's longer side
OF_A_KIND = 8  # thumbnails
OPEN = 5  # findings of a kind that are seen at once
LISTED = 200  # of a kind in full
MARK = (255, 59, 78)
SMALL = 24  # pixels of a drawn box's longer side below which a ring shows where it is
RING = 16  # pixels of its radius
LINE = 3  # pixels


def findings_table(report: CheckReport) -> str:
    """List the kinds of findings with their numbers, and a link to each."""
    rows = []
    for kind, findings in report.kinds():
        severity = findings[0].severity
        count = f"{len(findings)} {severity}{'s' if len(findings) > 1 else ''}"
        link = f'<a href="#{_anchor(kind)}">{escape(kind)}</a>'
        rows.append((link, (Cell(f'<span class="{severity}">{count}</span>'),)))
    return table(("kind", "found"), rows)


def findings_of_a_kind(kind: str, findings: Sequence[Finding], exif: Exif) -> str:
    """Show the findings of a kind: thumbnails of the first, and the texts of all."""
    thumbnails = "".join(_thumbnail(finding, exif) for finding in findings[:OF_A_KIND])
    pictures = f'<div class="shots">{thumbnails}</div>' if thumbnails else ""
    rest = findings[OPEN:LISTED]
    more = folded(f"{len(rest)} more", _words(rest)) if rest else ""
    left_out = len(findings) - LISTED
    if left_out > 0:
        more += f'<p class="soft">… and {left_out} that are not listed here.</p>'
    heading = f'<h3 id="{_anchor(kind)}">{escape(kind)} ({len(findings)})</h3>'
    return heading + pictures + _words(findings[:OPEN]) + more


def marked(pixels: Pixels, box: Box | None) -> Pixels:
    """The image, SIDE pixels long, with a box (x, y, width, height in its pixels), cut at the
    edges.

    A ring marks a box that is small, a point, or outside; then it is at the edge.
    """
    height, width = pixels.shape[:2]
    small = thumbnail(pixels, SIDE)
    if box is None:
        return small
    picture = Image.fromarray(small)
    scale = np.array([picture.width / width, picture.height / height] * 2)
    left, top, box_width, box_height = box
    corners = np.array([left, top, left + box_width, top + box_height])
    x1, y1, x2, y2 = np.clip(corners, 0, [width, height] * 2) * scale
    x1, x2 = sorted((x1, x2))
    y1, y2 = sorted((y1, y2))
    pen = ImageDraw.Draw(picture)
    for more, color in ((1, (0, 0, 0)), (0, MARK)):  # a dark rim, and the line over it
        line = LINE + 2 * more
        pen.rectangle((x1 - more, y1 - more, x2 + more, y2 + more), outline=color, width=line)
        if max(x2 - x1, y2 - y1) < SMALL:
            x = np.clip((x1 + x2) / 2, RING, picture.width - RING)
            y = np.clip((y1 + y2) / 2, RING, picture.height - RING)
            ring = RING + more
            pen.ellipse((x - ring, y - ring, x + ring, y + ring), outline=color, width=line)
    return np.asarray(picture)


def _words(findings: Sequence[Finding]) -> str:
    rows = ""
    for finding in findings:
        rows += (
            f"<li><b>{escape(finding.record)}</b>: {escape(finding.sentence)}"
            f"<br><small>{escape(finding.file)}</small></li>"
        )
    return f'<ul class="finding">{rows}</ul>'


def _thumbnail(finding: Finding, exif: Exif) -> str:
    """Thumbnail of the finding's image with its box; empty if nothing can be shown."""
    if finding.image is None:
        return ""
    try:
        pixels = decode(finding.image, exif)
    except UserError:
        return ""
    caption = escape(f"{finding.image.name}, {finding.record}")
    address = data_url(marked(pixels, finding.box))
    return f'<figure><img src="{address}" alt="{caption}"><small>{caption}</small></figure>'


def _anchor(kind: str) -> str:
    return "kind-" + "".join(letter if letter.isalnum() else "-" for letter in kind)
