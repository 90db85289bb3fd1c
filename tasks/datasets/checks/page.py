"""A check's findings as one self-contained HTML page, with thumbnails of the worst."""

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.checks.check import Report
from tasks.datasets.checks.records import Finding
from tasks.images import decode
from tasks.labels import LabelMap
from tasks.plots import LabelledBoxes, Pixels, draw_boxes

_WIDTH = 360  # pixels of a thumbnail
_OF_A_KIND = 8  # thumbnails
_LISTED = 200  # findings of a kind in full
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 16px; color: #1f2328 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: 4px 12px 4px 0; vertical-align: top }
tr { border-bottom: 1px solid #d8dee4 } .error { color: #b3192b; font-weight: 600 } .warning { color: #7a5200 }
li { overflow-wrap: anywhere; margin: 8px 0 } small { color: #59636e }
pre { background: #f3f4f6; padding: 12px; overflow-x: auto }
.shots { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 16px }
figure { margin: 0 } img { max-width: 100%; height: auto; background: #eef0f3 }
figcaption { font-size: 13px; overflow-wrap: anywhere }
"""


def write_page(report: Report, out: str | Path, exif: str) -> None:
    """Write the table, the findings with their thumbnails, and what the splits hold."""
    rows = "".join(
        "<tr><td"
        f' class="{found[0].severity}">{found[0].severity}</td><td>{len(found)}</td><td>{_text(kind)}</td></tr>'
        for kind, found in report.kinds()
    )
    parts = [f"<h1>{report.errors} errors, {len(report.findings) - report.errors} warnings</h1>"]
    parts.append(f"<table><tr><th>severity</th><th>count</th><th>kind</th></tr>{rows}</table>")
    parts += [_section(kind, found, exif) for kind, found in report.kinds()]
    for split in report.splits:
        lines = _text("\n".join(split.contents))
        parts.append(
            f"<h2>{_text(split.name)}: {_text(str(split.records.path))}</h2><pre>{lines}</pre>"
        )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    )
    title = f"<title>Data check</title><style>{_STYLE}</style>"
    page = (
        "<!doctype html><html"
        f' lang="en"><head>{head}{title}</head><body>{"".join(parts)}</body></html>'
    )
    Path(out).write_text(page, encoding="utf-8")


def _text(value: str) -> str:
    """Text for HTML; half characters, which no encoding has, are written as escapes."""
    return html.escape(value.encode("utf-8", "backslashreplace").decode())


def _section(kind: str, found: list[Finding], exif: str) -> str:
    rows = "".join(
        f"<li><b>{_text(one.entry)}</b> {_text(one.seen)}<br><small>{_text(one.file)}</small></li>"
        for one in found[:_LISTED]
    )
    more = f"<p>… and {len(found) - _LISTED} more.</p>" if len(found) > _LISTED else ""
    shots = [shot for one in found[:_OF_A_KIND] if (shot := _thumbnail(one, exif))]
    pictures = f'<div class="shots">{"".join(shots)}</div>' if shots else ""
    return f"<h2>{_text(kind)} ({len(found)})</h2>{pictures}<ul>{rows}</ul>{more}"


def _thumbnail(finding: Finding, exif: str) -> str:
    """The finding's image with its box, or nothing where there is none that can be shown."""
    if finding.image is None:
        return ""
    try:
        pixels = decode(finding.image, "ignore" if exif == "ignore" else "apply")
    except UserError:
        return ""
    stream = io.BytesIO()
    Image.fromarray(_drawn(pixels, finding)).save(stream, "JPEG", quality=80)
    data = base64.b64encode(stream.getvalue()).decode()
    caption = f"{_text(finding.image.name)}, {_text(finding.entry)}"
    return (
        f'<figure><img alt="{caption}"'
        f' src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )


def _drawn(pixels: Pixels, finding: Finding) -> Pixels:
    """The image at the thumbnail's width, the finding's box drawn as far as it is inside."""
    height, width = pixels.shape[:2]
    scale = _WIDTH / width
    size = (_WIDTH, min(4 * _WIDTH, max(1, round(height * scale))))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    if finding.box is None:
        return small
    left, top, box_width, box_height = finding.box
    corners = np.clip([left, top, left + box_width, top + box_height], 0, [width, height] * 2)
    box = LabelledBoxes(
        corners[None] * ([scale, size[1] / height] * 2), np.zeros(1, dtype=np.int64)
    )
    return draw_boxes(small, box, LabelMap((1,), (finding.kind,)), text_height=14)
