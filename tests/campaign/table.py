"""What was found, as a table."""

from collections import Counter
from collections.abc import Mapping, Sequence

from campaign.kind import Kind
from campaign.outcomes import Outcome
from campaign.pool import Found


def table(found: Sequence[Found], kinds: Mapping[str, Kind]) -> str:
    """A row for each kind of which there are cases, in Markdown."""
    lines = ["| test | cases | right | wrong | longest |", "|---|---|---|---|---|"]
    for name, kind in kinds.items():
        own = [one for one in found if one.case.kind == name]
        if own:
            longest = max(own, key=lambda one: one.seconds)
            slow = f"{longest.seconds:.0f} s, {longest.case}"
            right = _counts(own, good=True)
            wrong = _counts(own, good=False)
            lines.append(f"| {kind.title} | {len(own)} | {right} | {wrong} | {slow} |")
    return "\n".join(lines) + "\n"


def _counts(found: Sequence[Found], *, good: bool) -> str:
    counts = Counter(one.verdict.outcome for one in found if one.is_good == good)
    parts = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]]
    return ", ".join(parts) or "none"
