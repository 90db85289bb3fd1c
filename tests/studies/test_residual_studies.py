"""Each study of residual learning at a toy size: trained, scored, drawn, and continued."""

from __future__ import annotations

import csv
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import class_data
import pytest
from command_line import Running
from toy_study import TINY, perform_by, run_study, words

from studies.residual.one_run import Job

if TYPE_CHECKING:
    from command_line import Tools

FIRST = {
    "degradation": "plain20",
    "convergence": "resnet20",
    "depth": "resnet20",
    "shortcuts": "resnet20-C",
    "activation_orders": "exclusive_gate",
    "vgg_columns": "A-LRN",
}
"""A network of each study, the smallest or the oddest."""
LARGER = {
    "vgg_columns": (
        *("data.decoded=false", "data.workers=0"),
        *("augment.size=32", "test.resize=32", "test.crop=32"),
    )
}
"""What five poolings need."""
ONLY = ("--only", "plain20", "--only", "resnet20", "--seeds", "2")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_data.folders(tmp_path_factory.mktemp("classes") / "data")


@pytest.fixture(scope="module", params=FIRST.items(), ids=FIRST)
def study(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """The name of a study, and the folder in which one network of it was trained."""
    name, network = request.param
    folder = tmp_path_factory.mktemp(name)
    run_study(
        words(name, data, folder, "--only", network, "--seeds", "1", *TINY, *LARGER.get(name, ()))
    )
    return name, folder


def points(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "page" / "results" / name / "cpu.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_row_is_written_each_time_that_a_training_was_scored(study: tuple[str, Path]) -> None:
    name, folder = study
    rows = points(folder, name)
    told = [(row["network"], row["when"], row["step"]) for row in rows]
    network = FIRST[name]
    assert told == [
        (network, "on the way", "2"),
        (network, "at the end", "2"),
    ]


def test_the_page_and_the_curves_are_written(study: tuple[str, Path]) -> None:
    name, folder = study
    text = (folder / "page" / "README.md").read_text()
    assert f"| {FIRST[name]}" in text.partition(f"<!-- begin {name} -->")[2]
    assert (folder / "page" / "results" / name / "cpu.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two seeds of a plain and a residual net of the study of degradation."""
    folder = tmp_path_factory.mktemp("trained")
    run_study(words("degradation", data, folder, *ONLY, *TINY))
    return folder


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that studies start from now on, by something that only says so."""
    jobs: list[Job] = []

    def note(job: Job) -> int:
        jobs.append(job)
        return 0

    perform_by(monkeypatch, note)
    return jobs


def again(data: Path, trained: Path, *more: str) -> list[str]:
    """The command of the folder with four trainings."""
    return words("degradation", data, trained, *ONLY, *TINY, *more)


def test_what_is_finished_is_not_done_again(
    tools: Tools, data: Path, trained: Path, started: list[Job]
) -> None:
    assert tools(*again(data, trained)).status == 0
    assert started == []
    assert len(points(trained, "degradation")) == 4 * 2


def test_a_trained_net_is_only_scored(
    tools: Tools, data: Path, trained: Path, started: list[Job]
) -> None:
    scores = trained / "out" / "degradation" / "cpu" / "resnet20-1" / "full_test/evaluation.json"
    scores.rename(scores.with_suffix(".kept"))
    ended = tools(*again(data, trained))
    scores.with_suffix(".kept").rename(scores)
    assert ended.status == 0
    assert [(Path(job.folder).name, job.train) for job in started] == [("resnet20-1", None)]


def test_a_training_goes_on(tools: Tools, data: Path, trained: Path, started: list[Job]) -> None:
    metrics = trained / "out" / "degradation" / "cpu" / "plain20-0" / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole.splitlines(keepends=True)[0])
    listed = tools(*again(data, trained, "--list")).output
    tools(*again(data, trained))
    metrics.write_text(whole)
    (job,) = started
    assert Path(job.folder).name == "plain20-0"
    assert job.train is not None
    assert job.train[-1] == "run.resume=auto"
    states = [line.split("|")[-2].strip() for line in listed.splitlines()[2:6]]
    assert states == ["step 1 of 2", "finished", "finished", "finished"]


def test_tables_are_of_all_networks_whichever_are_trained(
    tools: Tools, data: Path, trained: Path, started: list[Job]
) -> None:
    only = ("--only", "resnet20", "--seeds", "2")
    assert tools(*words("degradation", data, trained, *only, *TINY)).status == 0
    networks = {row["network"] for row in points(trained, "degradation")}
    assert networks == {"plain20", "resnet20"}


def test_nothing_is_trained_to_draw(
    tools: Tools, data: Path, tmp_path: Path, started: list[Job]
) -> None:
    assert tools(*words("depth", data, tmp_path, "--draw")).status == 0
    assert started == []
    assert "Not run yet" in (tmp_path / "page" / "README.md").read_text()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("optim.lr=0.5",), "a resumed run must keep its settings"),
        (("--seeds", "0"), "--seeds must be >= 1, got 0"),
        (("--jobs", "0"), "--jobs must be >= 1, got 0"),
        (("--only", "vgg"), "--only must name networks of the study"),
        (("optim.rate=1",), "optim.rate"),
    ],
)
def test_mistakes_are_told_in_a_line_before_anything_is_trained(
    tools: Tools,
    data: Path,
    trained: Path,
    started: list[Job],
    more: tuple[str, ...],
    problem: str,
) -> None:
    ended = tools(*again(data, trained, *more))
    assert (ended.status, problem in ended.error, started) == (2, True, []), ended.error
    assert ended.error.count("\n") == 1


def test_a_training_that_fails_ends_the_study(
    tools: Tools, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform_by(monkeypatch, lambda job: 1)
    ended = tools(*words("depth", data, tmp_path, "--only", "resnet20"))
    assert ended.status == 2
    assert ended.error.startswith("error: a training must succeed, and resnet20-0 did not")


def test_layers_of_trained_nets_are_measured(data: Path, trained: Path) -> None:
    run_study(words("responses", data, trained))
    rows = points(trained, "responses")
    nets = dict.fromkeys(row["run"] for row in rows)
    assert list(nets) == ["plain20-0", "plain20-1", "resnet20-0", "resnet20-1"]
    layers = [row["layer"] for row in rows if row["run"] == "plain20-0"]
    assert (len(layers), layers[0], layers[-1]) == (19, "conv1", "layer3.2.conv2")
    assert "plain20" in (trained / "page" / "README.md").read_text().partition("responses -->")[2]


def test_without_trained_nets_the_way_to_them_is_told(
    tools: Tools, data: Path, tmp_path: Path
) -> None:
    ended = tools(*words("responses", data, tmp_path))
    assert ended.status == 2
    assert "train them with `python studies/degradation.py --budget cpu" in ended.error


def test_a_stopped_study_goes_on(data: Path, tmp_path: Path) -> None:
    steps = ("schedule.steps=60", "run.eval_every=30", "run.log_every=10", "run.save_every=30")
    command = words("depth", data, tmp_path, "--only", "resnet20", "--seeds", "1", *TINY, *steps)
    running = Running([sys.executable, *command]).until("step 10/60")
    assert running.send(signal.SIGTERM).end() == 128 + signal.SIGTERM
    assert f"this continues:\n  {Path(sys.executable).name} {command[0]}" in running.printed
    run_study(command)
    steps_seen = [row["step"] for row in points(tmp_path, "depth")]
    assert steps_seen == ["30", "60", "60"]
