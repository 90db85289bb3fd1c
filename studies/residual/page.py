"""The page of the studies: the table of claims, and a section for each study.

Only what stands between the marks of a section is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import markdown_table
from studies.residual.claims import CLAIMS, ELSEWHERE
from studies.residual.results import Results
from studies.residual.verdicts import NOT_RUN, RULE, Claim, Judgement, judge
from tasks.files import write_text

PAGE = "README.md"
CLAIMS_SECTION = "claims"


def write_page(path: Path, results: Results, name: str, section: Sequence[str]) -> None:
    """Update the section of a study and the table of claims in a page."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    text = replace_section(text, CLAIMS_SECTION, claims_section(results))
    write_text(path, replace_section(text, name, section))


def replace_section(text: str, name: str, lines: Sequence[str]) -> str:
    """Replace the lines between the marks of a section; append the section if it is missing."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    body = "\n".join([begin, "", *lines, "", end])
    before, found, rest = text.partition(begin)
    if not found:
        return f"{text.rstrip()}\n\n{body}\n".lstrip()
    return before + body + rest.partition(end)[2]


def claims_section(results: Results) -> list[str]:
    """The rule of the verdicts, and a table with a row for every claim."""
    rows = [("claim", "source", "published", "here", "budget", "verdict")]
    for claim in CLAIMS:
        budget, judgement = judge_claim(claim, results)
        here = judgement.figure and f"{claim.measure}: {judgement.figure}"
        verdict = judgement.verdict
        rows.append((claim.text, claim.source, claim.published, here, budget, verdict))
    for other in ELSEWHERE:
        rows.append((other.text, other.source, other.published, other.needs, "", NOT_RUN))
    return [RULE, "", *markdown_table(rows)]


def judge_claim(claim: Claim, results: Results) -> tuple[str, Judgement]:
    """The longest budget that has all networks of a claim, and its judgement."""
    for evidence in reversed(results.evidence(claim.study)):
        judgement = judge(claim, evidence.values(claim.measure))
        if judgement.verdict != NOT_RUN:
            return evidence.budget, judgement
    return "", Judgement("", NOT_RUN)
