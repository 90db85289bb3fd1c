"""The HTML of a report: one file with its style and a small script inside, nothing fetched.

The script sorts and folds tables; without it the page holds all the same.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
STYLE = """
:root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1f2328;--soft:#656d76;
--line:#e4e6e9;--bar:#3d7ea6;
--heat:61,126,166;--good:#2f8f5b;--bad:#c2513f;--s0:#3d7ea6;--s1:#d08a2e;--s2:#2f8f5b;--s3:#9a6bb5;
--s4:#c2513f;
--s5:#434b55;--shade:rgba(0,0,0,.26)}
@media (prefers-color-scheme:dark){:root{--page:#15181c;--card:#1c2026;--ink:#e3e6ea;--soft:#99a2ad;
--line:#31363d;
--bar:#6aaed6;--heat:106,174,214;--good:#5cc08a;--bad:#e58573;--s0:#6aaed6;--s1:#e5ae62;
--s2:#5cc08a;--s3:#bd97d4;
--s4:#e58573;--s5:#d3d9e0;--shade:rgba(255,255,255,.34)}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"DejaVu Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1120px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h1 span{display:block;font-size:1rem;font-weight:500;line-height:1.5;margin-top:4px}
h2{font-size:1.2rem;margin:48px 0 4px;padding-top:16px;border-top:1px solid var(--line)}
section:first-of-type h2{border:0;margin-top:20px;padding:0}
h3{font-size:1rem;margin:24px 0 8px}
p{margin:4px 0 14px;max-width:46rem}
.soft,p.soft,figcaption{color:var(--soft)}
p,dd,td,li,code{overflow-wrap:anywhere}
nav{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:2px 12px;
margin:16px 0 20px;padding:8px 0;border:solid var(--line);border-width:1px 0;font-size:.9rem}
nav a{padding:3px 0;text-decoration:none;white-space:nowrap}
nav a:hover,nav a:focus{text-decoration:underline}
a{color:var(--bar)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));gap:12px;
margin:0 0 16px;padding:0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:1.55rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tile span{display:block;color:var(--soft);font-size:.82rem;line-height:1.4}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:16px;
align-items:start}
.grid>*{min-width:0}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px;
min-width:0}
figcaption{font-size:.88rem;margin-bottom:6px}
figure>svg{display:block;width:100%;height:auto;max-width:480px;margin:0 auto}
svg text{font-size:10.5px;fill:var(--ink)}svg .soft{fill:var(--soft)}svg .end{text-anchor:end}
svg .mid{text-anchor:middle}svg .rule{stroke:var(--line);stroke-width:1;fill:none}
svg .bar{fill:var(--bar)}svg .wrong{fill:var(--bad)}
figure.scrolls{overflow-x:auto;width:fit-content;max-width:100%;margin:0 0 16px}
polyline{fill:none;stroke-linejoin:round}.whisker{stroke:var(--ink);stroke-width:1.3;fill:none}
.mark{width:120px;height:14px;display:block}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;margin:8px 0 0;padding:0;
font-size:.82rem}
.legend+.pictures{margin-top:12px}
i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
i.line{width:20px;height:0;border-radius:0;vertical-align:middle}
.legend.above{margin:0 0 12px}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:10px;
margin:0 0 16px;width:fit-content;max-width:100%}
.wide,figure.scrolls,pre{background:
linear-gradient(90deg,var(--card) 40%,transparent) 0 0/48px 100%,
linear-gradient(-90deg,var(--card) 40%,transparent) 100% 0/48px 100%,
linear-gradient(90deg,var(--shade),transparent) 0 0/16px 100%,
linear-gradient(-90deg,var(--shade),transparent) 100% 0/16px 100%,var(--card);
background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
button:focus-visible,.wide:focus-visible{outline:2px solid var(--bar);outline-offset:2px}
th button::after{content:"\\2195";opacity:.45;margin-left:3px}
th[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";opacity:1}
button.more{display:block;margin:-8px 0 16px;color:var(--bar);font-size:.88rem;padding:4px 0}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
tr:last-child>*{border-bottom:0}
th{font-weight:600;color:var(--soft)}
tbody th{color:var(--ink);font-weight:500;position:sticky;left:0;background:var(--card)}
th:first-child,td.text,th.text{text-align:left}
td.text,th.text{white-space:normal;min-width:7.5rem}
.runs tbody th{white-space:normal;word-break:break-all;min-width:12rem;max-width:17rem}
.runs :is(td,th).text{min-width:0;white-space:nowrap}
td.heat{min-width:3rem;text-align:center}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,620px),1fr));gap:16px;
align-items:start}
.thumbnails{display:grid;grid-template-columns:repeat(auto-fill,minmax(138px,1fr));gap:12px;
align-items:start;margin:0 0 16px}
.thumbnails.large{grid-template-columns:repeat(auto-fill,minmax(min(100%,240px),1fr))}
.thumbnails img{width:100%;height:auto;display:block;border-radius:4px}
.pair{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:6px}
.pair img{max-width:100%;max-height:26rem;width:auto;height:auto;display:block;border-radius:4px}
.pair span,figure small{font-size:.78rem;color:var(--soft)}
figure small{display:block;margin-top:6px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:2px 16px;margin:0 0 16px;
font-size:.9rem}
dt{color:var(--soft)}dd{margin:0}
pre{border:1px solid var(--line);border-radius:10px;padding:12px 14px;overflow-x:auto;
font-size:.8rem;line-height:1.5;margin:0 0 16px}
pre.wraps{white-space:pre-wrap;overflow-wrap:anywhere}
.outcomes{list-style:none;margin:0 0 14px;padding:0;font-size:.88rem}
.outcomes i{width:26px;height:16px;border-radius:0;border-width:3px;vertical-align:-2px;
background:linear-gradient(var(--card),var(--card)) padding-box,#191919 border-box}
summary{cursor:pointer;margin:0 0 10px}
@media (max-width:600px){.pair{grid-auto-flow:row}nav{grid-template-columns:1fr 1fr}
main{padding:20px 14px 48px}h1{font-size:1.4rem}.tile b{font-size:1.35rem}
.tiles{grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:8px}
.runs tbody th{min-width:7rem;max-width:38vw}dl{grid-template-columns:1fr}
dd{margin-bottom:6px}th,td{padding:5px 8px}}
@media print{tr[hidden]{display:table-row}body{background:#fff}figure,.tile{break-inside:avoid}}
"""


@dataclass(frozen=True)
class Cell:
    """A table cell whose HTML is made already."""

    html: str
    text: bool = False  # aligned left, may wrap
    heat: float | None = None  # 0–1, coloured by it
    order: float | None = None  # the number that it is sorted by, where its text is not one

    def __str__(self) -> str:
        if self.order is not None:
            return f'<td data-order="{self.order:.9g}">{self.html}</td>'
        if self.heat is not None:
            color = f"rgba(var(--heat),{0.75 * self.heat:.2f})"
            return f'<td class="heat" style="background:{color}">{self.html}</td>'
        return f'<td class="text">{self.html}</td>' if self.text else f"<td>{self.html}</td>"


def page(
    title: str,
    subtitle: str,
    sections: Sequence[tuple[str, str]],
    *,
    details: Sequence[str] = (),
    more_style: str = "",
) -> str:
    """Make a whole page of (heading, HTML) sections with links to each.

    `details` stand below the title, and behind it where a browser shows it.
    """
    links = ""
    body = ""
    for name, content in sections:
        links += f'<a href="#{_anchor(name)}">{escape(name)}</a>'
        body += f'<section id="{_anchor(name)}"><h2>{escape(name)}</h2>{content}</section>'
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(", ".join((title, *details)))}</title>'
        f"<style>{STYLE}{more_style}</style>"
    )
    below = f"<span>{escape(' · '.join(details))}</span>" if details else ""
    top = f'<h1>{escape(title)}{below}</h1><p class="soft">{escape(subtitle)}</p>'
    main = f"<main>{top}<nav>{links}</nav>{body}</main>"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>'
        f"<body>{main}<script>{SCRIPT}</script></body></html>\n"
    )


def table(
    head: Sequence[str], rows: Iterable[tuple[str, Sequence[str | Cell]]], *, tall: bool = False
) -> str:
    """Make a table whose first column names the rows.

    It scrolls by itself where the page is narrow. A `tall` one shows its first rows until a click.
    """
    texts = [True] * len(head)  # of each column, by its cell in the first row
    lines = ""
    for name, contents in rows:
        cells = [_as_cell(content) for content in contents]
        if not lines:
            texts = [True, *(cell.text for cell in cells)]
        lines += f'<tr><th scope="row">{name}</th>{"".join(map(str, cells))}</tr>'
    top = "".join(_heading(name, text) for name, text in zip(head, texts, strict=True))
    frame = "wide tall" if tall else "wide"
    content = f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody>"
    return f'<div class="{frame}" tabindex="0"><table>{content}</table></div>'


def _as_cell(content: str | Cell) -> Cell:
    return content if isinstance(content, Cell) else Cell(escape(content))


def _heading(name: str, text: bool) -> str:
    kind = ' class="text"' if text else ""
    return f'<th scope="col"{kind}>{escape(name)}</th>'


def tiles(entries: Iterable[tuple[str, str, str]]) -> str:
    """Show headline numbers from (name, number, what stands below)."""
    boxes = ""
    for name, number, below in entries:
        content = f"<span>{escape(name)}</span><b>{escape(number)}</b><span>{escape(below)}</span>"
        boxes += f'<div class="tile">{content}</div>'
    return f'<div class="tiles">{boxes}</div>'


def facts(entries: Iterable[tuple[str, str]]) -> str:
    """List names with what they are."""
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in entries)
    return f"<dl>{pairs}</dl>"


def paragraph(text: str) -> str:
    """Set a sentence or two of explanation."""
    return f'<p class="soft">{escape(text)}</p>'


def folded(title: str, content: str) -> str:
    """Fold content away until a click, without a script."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def percent(value: float, digits: int = 1) -> str:
    """Format a share times 100, or n/a for nan."""
    return "n/a" if math.isnan(value) else f"{100 * value:.{digits}f}"


def span(low: float, high: float) -> str:
    """Format an interval times 100, or nothing where it is not known."""
    return "" if math.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"


def css_color(color: tuple[int, int, int]) -> str:
    """Write red, green and blue for CSS."""
    red, green, blue = color
    return f"rgb({red},{green},{blue})"


def swatch(name: str, color: tuple[int, int, int]) -> str:
    """A name behind a patch of its colour."""
    return f'<i style="background:{css_color(color)}"></i>{escape(name)}'


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")
