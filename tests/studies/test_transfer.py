"""The study of starts: tiny trainings, and what is made of their scores."""

from __future__ import annotations

import csv
import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import SETTINGS
from PIL import Image

from studies import common
from studies.common import Spread
from studies.transfer import Start, as_csv, as_markdown, draw, spread_by_step
from tasks.engine.settings import TaskSettings

if TYPE_CHECKING:
    from command_line import Answer, Tools

STUDY = "studies/transfer.py"
ROOT = Path(__file__).resolve().parents[2]
SPREADS = {
    "scratch": {1: Spread(10.0, 2.0, 3), 2: Spread(20.5, 1.0, 3)},
    "weights": {2: Spread(30.0, None, 1)},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scratch", Start("scratch", None)),
        ("plain=scratch,model.norm=group", Start("plain", None, ("model.norm=group",))),
        ("runs/cls/weights.safetensors", Start("cls", "runs/cls/weights.safetensors")),
        ("runs/cls", Start("cls", "runs/cls")),
        ("own.pth", Start("own", "own.pth")),
        ("runs/lr=0.1/best.pt", Start("lr=0.1", "runs/lr=0.1/best.pt")),
        (
            "his=timm:resnet18.a1_in1k,data.short_edge=[40,64],model.norm=batch",
            Start("his", "timm:resnet18.a1_in1k", ("data.short_edge=[40,64]", "model.norm=batch")),
        ),
    ],
)
def test_a_start_is_read(text: str, expected: Start) -> None:
    assert Start.parse(text) == expected


def test_spread_is_that_of_the_evaluations_that_all_have() -> None:
    found = spread_by_step([{1: 0.1, 2: 0.2}, {1: 0.3, 2: 0.2, 3: 0.5}])
    assert list(found) == [1, 2]
    assert found[1].mean == pytest.approx(20)
    assert found[1].deviation == pytest.approx(14.1421, abs=1e-4)  # sqrt((10² + 10²) / 1)


def test_the_csv_has_a_line_for_each_evaluation() -> None:
    assert as_csv(SPREADS).splitlines() == [
        "start,step,mean,standard deviation,trainings",
        "scratch,1,10.0,2.0,3",
        "scratch,2,20.5,1.0,3",
        "weights,2,30.0,,1",
    ]


def test_the_table_has_a_row_for_each_start() -> None:
    rows = [line for line in as_markdown(SPREADS, "box/AP").splitlines() if line[0:1] == "|"]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [cells[0], *cells[2:]] == [
        ["start", "step 1", "step 2"],
        ["scratch", "10.00 ± 2.00", "20.50 ± 1.00"],
        ["weights", "", "30.00 ± n/a"],
    ]


def test_the_plot_is_a_picture_of_lines_and_bands(tmp_path: Path) -> None:
    draw(SPREADS, "box/AP", tmp_path / "transfer.png")
    colours = Image.open(tmp_path / "transfer.png").convert("RGB").getcolors(1 << 20)
    assert colours is not None
    shares = {colour: count for count, colour in colours}
    assert shares[31, 119, 180] > 100  # matplotlib's first colour, of the line
    band = max(shares.get((210, green, 240), 0) for green in (227, 228))  # a fifth of it
    assert band > 1000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> tuple[str, ...]:
    """The words of a study of seconds that was carried out: one start and one seed."""
    folder = tmp_path_factory.mktemp("transfer")
    recipe = folder / "tiny.yaml"
    recipe.write_text("task: detection\n" + SETTINGS.format(root="elsewhere"))
    words = (
        *("--data", str(shapes), "--recipe", str(recipe), "--out", str(folder / "out")),
        *("--start", "narrow=scratch,model.pyramid_channels=8"),
        *("--steps", "2", "--eval-every", "1", "--seeds", "1"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [STUDY, *words, "--", "data.val.limit=2"])
        runpy.run_path(str(ROOT / STUDY), run_name="__main__")
    return words


def folder_of(study: tuple[str, ...]) -> Path:
    return Path(study[study.index("--out") + 1])


def scored(folder: Path) -> list[tuple[str, str, str]]:
    """What the written table is of: start, step and number of trainings."""
    with (folder / "transfer.csv").open() as file:
        return [(row["start"], row["step"], row["trainings"]) for row in csv.DictReader(file)]


def test_a_start_is_trained_and_scored_on_the_way(study: tuple[str, ...]) -> None:
    folder = folder_of(study)
    assert scored(folder) == [("narrow", "1", "1"), ("narrow", "2", "1")]
    assert (folder / "narrow-0" / "last.pt").exists()
    assert (folder / "transfer.png").exists()


def test_settings_of_a_start_and_of_all_are_those_of_its_runs(study: tuple[str, ...]) -> None:
    text = (folder_of(study) / "narrow-0" / "config.yaml").read_text()
    given = ("pyramid_channels: 8", "limit: 2", "steps: 2", "eval_every: 1")
    assert [line for line in given if line not in text] == []


def answer(tools: Tools, study: tuple[str, ...], *more: str) -> Answer:
    return tools(STUDY, *study, *more)


def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that are trained in from now on, by something that only says so."""
    names: list[str] = []

    def only_score(config: TaskSettings) -> None:
        folder = Path(config.run.output_dir)
        names.append(folder.name)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{"step": step, "box/AP": 0.5} for step in (1, 2)]
        (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    monkeypatch.setattr(common, "train", only_score)
    return names


def test_finished_runs_are_read_back(
    tools: Tools, study: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder_of(study) / "transfer.csv").read_text()
    names = trained(monkeypatch)
    assert answer(tools, study, "data.val.limit=2").status == 0
    assert names == []
    assert (folder_of(study) / "transfer.csv").read_text() == before


def test_every_start_is_trained_with_every_seed(
    tools: Tools, study: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = trained(monkeypatch)
    more = ("--start", "scratch", "--seeds", "2", "--out", str(tmp_path))
    assert answer(tools, study, *more).status == 0
    assert names == ["narrow-0", "narrow-1", "scratch-0", "scratch-1"]
    assert scored(tmp_path) == [
        ("narrow", "1", "2"),
        ("narrow", "2", "2"),
        ("scratch", "1", "2"),
        ("scratch", "2", "2"),
    ]


def test_a_study_goes_on_with_the_runs_that_are_not_finished(
    tools: Tools, study: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = folder_of(study) / "narrow-0" / "metrics.jsonl"
    whole = metrics.read_text()
    metrics.write_text(whole.splitlines(keepends=True)[0])
    names = trained(monkeypatch)
    ended = answer(tools, study, "--start", "scratch", "data.val.limit=2")
    metrics.write_text(whole)
    assert (ended.status, names) == (0, ["narrow-0", "scratch-0"])


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("data.val.limit=2", "optim.lr=0.5"), "a resumed run must keep its settings"),
        (("--start", "nowhere.pth"), "model.weights must be an existing file"),
        (("--start", "narrow=x.pth"), "starts must have different names, got narrow twice"),
        (("--seeds", "0"), "--seeds must be >= 1, got 0"),
        (("--start", ""), "--start must be scratch or [NAME=]WEIGHTS"),
    ],
)
def test_mistakes_are_told_in_a_line_before_anything_is_trained(
    tools: Tools,
    study: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    problem: str,
) -> None:
    names = trained(monkeypatch)
    ended = answer(tools, study, *more)
    assert (ended.status, problem in ended.error, names) == (2, True, []), ended.error
