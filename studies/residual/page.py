"""The page of the studies: the table of claims, and a section for each study, between marks that
leave everything else as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.common import markdown_table
from studies.common import Spread
from studies.residual.claims import CLAIMS
from studies.residual.measures import MEASURES, measured
from studies.residual.points import AT_THE_END, ON_THE_WAY, Point
from studies.residual.results import Found, Results
from studies.residual.study import Study
from studies.residual.verdicts import NOT_RUN, RULE, Claim, Judgement, judge
from tasks.engine.files import write_text

PAGE = "README.md"


def write_page(path: Path, results: Results, study: Study) -> None:
    """Write the section of a study and the table of claims into a page."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    claims = [RULE, "", *claims_table(results)]
    text = replace_section(text, "claims", claims)
    text = replace_section(text, study.name, section(study, results))
    write_text(path, text)


def replace_section(text: str, name: str, lines: Sequence[str]) -> str:
    """A page with these lines between the marks of a section, which come last where there are
    none.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    body = "\n".join([begin, "", *lines, "", end])
    before, found, rest = text.partition(begin)
    if not found:
        return f"{text.rstrip()}\n\n{body}\n".lstrip()
    return before + body + rest.partition(end)[2]


def claims_table(results: Results) -> list[str]:
    """A row for every claim."""
    rows = [("claim", "source", "published", "here", "budget", "verdict")]
    for claim in CLAIMS:
        budget, judgement = judge_claim(claim, results)
        here = judgement.figure and f"{claim.measure}: {judgement.figure}"
        verdict = judgement.verdict
        rows.append((claim.text, claim.source, claim.published, here, budget, verdict))
    return markdown_table(rows)


def judge_claim(claim: Claim, results: Results) -> tuple[str, Judgement]:
    """What the longest budget says that has both networks, and which that is."""
    for found in reversed(results.read(claim.study)):
        judgement = judge(claim, measured(found.points, claim.measure))
        if judgement.verdict != NOT_RUN:
            return found.budget, judgement
    return "", Judgement("", NOT_RUN)


def section(study: Study, results: Results) -> list[str]:
    """What a study found, budget by budget."""
    lines = [f"## {study.title}", "", study.question]
    everything = results.read(study.name)
    if not everything:
        lines += ["", f"Not run yet: `studies/{study.name}.py --budget cpu --data cifar10`."]
    for found in everything:
        lines += ["", f"### Budget {found.budget}", "", *_conditions(found), ""]
        for name, points in _by_measure(found.points).items():
            lines += [f"{name.capitalize()}, in percent:", "", *_table(points), ""]
        picture = results.file(study.name, found.budget, ".png").relative_to(results.folder.parent)
        lines += [f"![{study.title}, budget {found.budget}]({picture})"]
    return lines


def _conditions(found: Found) -> Iterator[str]:
    """Schedule, seeds, images and machine, a line each."""
    conditions = found.conditions
    yield f"* schedule: {conditions.schedule}"
    yield f"* images: {_images(found.points)}"
    seeds = sorted({point.seed for point in found.points})
    yield f"* seeds: {', '.join(map(str, seeds))}"
    for name, texts in _machines(conditions.machines).items():
        yield f"* {name}: {'; '.join(texts)}"
    yield f"* command: `{conditions.command}`"
    times = sorted(facts["date"] for facts in conditions.machines.values())
    if times:
        yield f"* date: {times[0]} to {times[-1]}"
    yield f"* speed: {_speeds(found.points)}"


def _images(points: Sequence[Point]) -> str:
    """What was trained and scored on."""
    first = next(point for point in points if point.when == ON_THE_WAY)
    trained = round(first.images / first.epoch) if first.epoch else 0
    texts = [
        f"{trained:,} to train on",
        f"on the way the same {first.train_scored:,} of them and {first.test_scored:,} of the test"
        " set are scored, not augmented, in eval mode",
    ]
    last = next((point for point in points if point.when == AT_THE_END), None)
    if last is not None:
        texts.append(f"at the end {last.train_scored:,} and {last.test_scored:,}")
    return "; ".join(texts)


def _machines(machines: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Facts by name, each text once."""
    found: dict[str, list[str]] = {}
    for facts in machines.values():
        for name, text in facts.items():
            if name != "date" and text not in found.setdefault(name, []):
                found[name].append(text)
    return {name: texts for name, texts in found.items() if texts}


def _speeds(points: Sequence[Point]) -> str:
    """Mean images a second of each network."""
    speeds: dict[str, list[float]] = {}
    for point in points:
        if point.images_per_s is not None:
            speeds.setdefault(point.network, []).append(point.images_per_s)
    texts = [f"{name} {sum(of) / len(of):.0f}" for name, of in speeds.items()]
    return ", ".join(texts) + " images/s"


def _by_measure(points: Sequence[Point]) -> dict[str, dict[str, list[float]]]:
    """Measures that any finished training has, and their values by network."""
    found = {name: measured(points, name) for name in MEASURES}
    return {name: values for name, values in found.items() if values}


def _table(values: Mapping[str, Sequence[float]]) -> list[str]:
    """Every seed of every network, with mean and standard deviation."""
    seeds = max(map(len, values.values()))
    rows = [("network", *(f"seed {seed}" for seed in range(seeds)), "mean ± deviation")]
    for network, of_network in values.items():
        cells = [f"{value:.2f}" for value in of_network]
        padding = [""] * (seeds - len(cells))
        rows.append((network, *cells, *padding, " ± ".join(Spread.of(of_network).shown())))
    return markdown_table(rows)
