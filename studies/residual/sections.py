"""The section of one study on the page, budget by budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.common import markdown_table
from studies.common import Spread
from studies.residual.layers import LAYER_MEASURES
from studies.residual.measures import MEASURES, Values
from studies.residual.points import AT_THE_END, ON_THE_WAY, Point
from studies.residual.results import RESPONSES, Conditions, Layers, Results, Trainings
from studies.residual.study import Study


def study_section(study: Study, results: Results) -> list[str]:
    """Lines of the section of a study of trainings."""
    lines = _heading(study.title, study.question)
    everything = results.trainings(study.name)
    for found in everything:
        lines += ["", f"### Budget {found.budget}", "", *_of_trainings(found), ""]
        for name in study.measures:
            lines += value_table(name, MEASURES[name].unit, found.values(name))
        lines.append(_picture(study.title, study.name, found.budget))
    return lines if everything else [*lines, *_not_run(study.name)]


def responses_section(title: str, question: str, results: Results) -> list[str]:
    """Lines of the section of the layer responses."""
    lines = _heading(title, question)
    everything = results.layers()
    for found in everything:
        lines += ["", f"### Budget {found.budget}", "", *_of_layers(found), ""]
        for name, measure in LAYER_MEASURES.items():
            lines += value_table(name, measure.unit, found.values(name))
        lines.append(_picture(title, RESPONSES, found.budget))
    return lines if everything else [*lines, *_not_run(RESPONSES)]


def value_table(name: str, unit: str, values: Values) -> list[str]:
    """Table of every seed of every network with mean and deviation; empty without networks."""
    if not values:
        return []
    seeds = max(map(len, values.values()))
    rows = [("network", *(f"seed {seed}" for seed in range(seeds)), "mean ± deviation")]
    for network, of_network in values.items():
        cells = [f"{value:.2f}" for value in of_network]
        padding = [""] * (seeds - len(cells))
        rows.append((network, *cells, *padding, " ± ".join(Spread.of(of_network).shown())))
    return [f"{name[0].upper()}{name[1:]}, {unit}:", "", *markdown_table(rows), ""]


def _heading(title: str, question: str) -> list[str]:
    return [f"## {title}", "", question]


def _not_run(name: str) -> list[str]:
    return ["", f"Not run yet: `python studies/{name}.py --budget cpu --data cifar10`."]


def _picture(title: str, name: str, budget: str) -> str:
    return f"![{title}, budget {budget}](results/{name}/{budget}.png)"


def _of_trainings(found: Trainings) -> Iterator[str]:
    """Yield lines on schedule, images, seeds, networks, machine and speed."""
    yield f"* schedule: {found.conditions.schedule}"
    yield f"* images: {_images(found.rows, found.conditions.images)}"
    seeds = sorted({point.seed for point in found.rows})
    yield f"* seeds: {', '.join(map(str, seeds))}"
    yield f"* networks: {_networks(found.conditions)}"
    yield from _machine(found.conditions)
    yield f"* speed: {_speeds(found.rows)}"


def _of_layers(found: Layers) -> Iterator[str]:
    """Yield lines on nets, images, seeds and machine."""
    yield f"* nets: {found.conditions.schedule}"
    yield f"* images: {found.conditions.images:,} of the training images, not augmented"
    seeds = sorted({row.seed for row in found.rows})
    yield f"* seeds: {', '.join(map(str, seeds))}"
    yield from _machine(found.conditions)


def _machine(conditions: Conditions) -> Iterator[str]:
    """Yield lines on the machines, the command, and when the first and the last were finished."""
    for name, texts in _facts(conditions.machines).items():
        yield f"* {name}: {'; '.join(texts)}"
    yield f"* command: `{conditions.command}`"
    times = sorted(facts["date"] for facts in conditions.machines.values())
    if times:
        yield f"* finished: {times[0]} to {times[-1]}"


def _facts(machines: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Different texts of each fact, by the name of the fact."""
    found: dict[str, list[str]] = {}
    for facts in machines.values():
        for name, text in facts.items():
            if name != "date" and text not in found.setdefault(name, []):
                found[name].append(text)
    return {name: texts for name, texts in found.items() if texts}


def _networks(conditions: Conditions) -> str:
    """Names of the networks with their settings."""
    texts = [f"{name} (`{' '.join(of)}`)" for name, of in conditions.networks.items()]
    return ", ".join(texts)


def _images(points: Sequence[Point], trained: int) -> str:
    """Numbers of images that were trained and scored on."""
    first = next(point for point in points if point.when == ON_THE_WAY)
    texts = [
        f"{trained:,} to train on",
        f"on the way the same {first.train_scored:,} of them and {first.test_scored:,} of the test"
        " set are scored, not augmented, in eval mode",
    ]
    last = next((point for point in points if point.when == AT_THE_END), None)
    if last is not None:
        texts.append(f"at the end {last.train_scored:,} and {last.test_scored:,}")
    return "; ".join(texts)


def _speeds(points: Sequence[Point]) -> str:
    """Median images/s of each network over its points."""
    speeds: dict[str, list[float]] = {}
    for point in points:
        if point.images_per_s is not None:
            speeds.setdefault(point.network, []).append(point.images_per_s)
    texts = [f"{name} {median(of):.0f}" for name, of in speeds.items()]
    return ", ".join(texts) + " images/s"
