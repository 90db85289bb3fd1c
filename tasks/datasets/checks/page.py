"""A check's findings as one self-contained HTML page, with thumbnails of the worst."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.boxes import to_corners
from tasks.datasets.checks.report import CheckedSplit, CheckReport
from tasks.datasets.findings import Finding
from tasks.files import write_text
from tasks.images import Exif, Pixels, decode
from tasks.labels import LabelMap
from tasks.outputs import Outputs
from tasks.plots import LabelledBoxes, draw_boxes

_WIDTH = 360  # pixels of a thumbnail
_OF_A_KIND = 8  # thumbnails
_LISTED = 200  # findings of a kind in full
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 16px;
  color: #1f2328 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: 4px 12px 4px 0; vertical-align: top }
tr { border-bottom: 1px solid #d8dee4 }
.error { color: #b3192b; font-weight: 600 } .warning { color: #7a5200 }
li { overflow-wrap: anywhere; margin: 8px 0 } small { color: #59636e }
pre { background: #f3f4f6; padding: 12px; overflow-x: auto }
.shots { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 16px }
figure { margin: 0 } img { max-width: 100%; height: auto; background: #eef0f3 }
figcaption { font-size: 13px; overflow-wrap: anywhere }
"""


Checked = tuple[CheckReport, Sequence[str], Exif]
"""Findings, why other splits were not looked at, and how images were decoded."""


@dataclass(frozen=True)
class CheckByHand:
    """The check of data that no corrected file can mend; call it with what a command line names."""

    look: Callable[[Sequence[str]], Checked]
    unfixable: str
    """Why, and the way out."""

    def __call__(
        self,
        data: Sequence[str],
        *,
        shown: int | None = None,
        fix: str | None = None,
        page: str | None = None,
        force: bool = False,
    ) -> tuple[CheckReport, str]:
        """Return the findings and their text with at most `shown` of each kind; write the HTML page
        where it is named.

        Raises UserError where the data cannot be found, for `fix`, and for a page that is a file of
        the user, unless `force`.
        """
        if fix is not None:
            raise UserError(f"--fix writes a corrected file of annotations, which {self.unfixable}")
        with owned_page(page, force):
            report, missing, exif = self.look(data)
            return report, told(report, missing, shown, page, exif)


def owned_page(page: str | None, force: bool) -> AbstractContextManager[None]:
    """Context in which a check writes its page, where one is named."""
    outputs = Outputs(by="check", force=force, endings=(".html", ".htm"))
    return outputs.owning(*([] if page is None else [Path(page)]))


def told(
    report: CheckReport, missing: Sequence[str], shown: int | None, page: str | None, exif: Exif
) -> str:
    """The findings as text, at most `shown` of each kind, and why what is missing was not checked;
    writes the page where one is named.
    """
    lines = [report.text(shown), *(f"not checked: {reason}" for reason in missing)]
    if page is not None:
        write_page(report, page, exif)
        lines.append(f"page: {page}")
    return "\n".join(lines)


def write_page(report: CheckReport, out: str | Path, exif: Exif) -> None:
    """Write the table, the findings with their thumbnails, and what the splits hold."""
    parts = [f"<h1>{report.errors} errors, {report.warnings} warnings</h1>", _table(report)]
    parts += [_section(kind, findings, exif) for kind, findings in report.kinds()]
    parts += [_contents(split) for split in report.splits]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data check</title><style>{_STYLE}</style>"
    )
    body = "".join(parts)
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
    write_text(Path(out), page)


def _text(value: str) -> str:
    """Text for HTML; half characters, which no encoding has, are written as escapes."""
    return html.escape(value.encode("utf-8", "backslashreplace").decode())


def _table(report: CheckReport) -> str:
    rows = "<tr><th>severity</th><th>count</th><th>kind</th></tr>"
    for kind, findings in report.kinds():
        severity = findings[0].severity
        rows += (
            f'<tr><td class="{severity}">{severity}</td><td>{len(findings)}</td>'
            f"<td>{_text(kind)}</td></tr>"
        )
    return f"<table>{rows}</table>"


def _section(kind: str, findings: Sequence[Finding], exif: Exif) -> str:
    """The findings of a kind, the first of them with their thumbnails."""
    rows = "".join(_row(finding) for finding in findings[:_LISTED])
    more = f"<p>… and {len(findings) - _LISTED} more.</p>" if len(findings) > _LISTED else ""
    shots = "".join(_thumbnail(finding, exif) for finding in findings[:_OF_A_KIND])
    pictures = f'<div class="shots">{shots}</div>' if shots else ""
    return f"<h2>{_text(kind)} ({len(findings)})</h2>{pictures}<ul>{rows}</ul>{more}"


def _row(finding: Finding) -> str:
    return (
        f"<li><b>{_text(finding.record)}</b> {_text(finding.sentence)}"
        f"<br><small>{_text(finding.file)}</small></li>"
    )


def _contents(split: CheckedSplit) -> str:
    title = f"{_text(split.name)}: {_text(str(split.source))}"
    lines = "\n".join(split.contents)
    return f"<h2>{title}</h2><pre>{_text(lines)}</pre>"


def _thumbnail(finding: Finding, exif: Exif) -> str:
    """The finding's image with its box, or nothing where there is none that can be shown."""
    if finding.image is None:
        return ""
    try:
        pixels = decode(finding.image, exif)
    except UserError:
        return ""
    stream = io.BytesIO()
    Image.fromarray(_drawn(pixels, finding)).save(stream, "JPEG", quality=80)
    data = base64.b64encode(stream.getvalue()).decode()
    caption = f"{_text(finding.image.name)}, {_text(finding.record)}"
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _drawn(pixels: Pixels, finding: Finding) -> Pixels:
    """The image at the thumbnail's width, the finding's box drawn as far as it is inside."""
    height, width = pixels.shape[:2]
    scale = _WIDTH / width
    size = (_WIDTH, min(4 * _WIDTH, max(1, round(height * scale))))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    if finding.box is None:
        return small
    corners = np.clip(to_corners(np.array([finding.box])), 0, [width, height] * 2)
    box = LabelledBoxes(corners, np.zeros(1, dtype=np.int64)).scaled(scale, size[1] / height)
    return draw_boxes(small, box, LabelMap((1,), (finding.kind,)), text_height=14)
