"""Tables and charts that the reports of several tasks have: confusions, and calibration."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tasks.report.charts import reliability_chart
from tasks.report.page import Cell, paragraph, percent, table


@dataclass(frozen=True)
class Confused:
    """A class that is taken for another."""

    true: str
    predicted: str
    count: int
    share: float
    """Share of all that is counted of the true class."""


def confusions_table(confused: Iterable[Confused]) -> str:
    """List confusions in their order."""
    rows = []
    for pair in confused:
        cells = (Cell(escape(pair.predicted), text=True), str(pair.count), percent(pair.share))
        rows.append((escape(pair.true), cells))
    if not rows:
        return paragraph("No class is taken for another.")
    return table(("true class", "taken for", "count", "% of the class"), rows, tall=True)


@dataclass(frozen=True)
class ConfidenceBin:
    """Counts between two confidences."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean; of no meaning where nothing is counted."""
    right: float
    """Share that is right; of no meaning where nothing is counted."""


def reliability(
    title: str, bins: Sequence[ConfidenceBin], *, counted: str, confidence: str, right: str
) -> str:
    """Show how much is right at each confidence, as a chart beside a table.

    The texts name what is counted, its confidence, and the share that is right.
    """
    total = max(sum(part.count for part in bins), 1)
    digits = 1 if len(bins) <= 10 else 2
    bars = []
    rows = []
    for part in bins:
        bars.append((part.low, part.high, part.right, part.count / total))
        mean = f"{part.confidence:.2f}" if part.count else ""
        share = percent(part.right) if part.count else ""
        name = f"{part.low:.{digits}f} to {part.high:.{digits}f}"
        rows.append((name, (str(part.count), mean, share)))
    chart = reliability_chart(title, bars, confidence, right)
    head = (confidence, counted, f"mean {confidence}", f"{right}, %")
    return f'<div class="grid">{chart}<div>{table(head, rows)}</div></div>'
