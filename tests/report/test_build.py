"""A report of any task: its own sections among those that all reports share."""

import itertools
import json
import re
from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.report.build import run_sections, try_report, write_page
from tasks.report.page import facts, tiles
from tasks.report.run import data_section, evaluation_metadata
from tasks.report.title import Title


def finished(folder: Path) -> Path:
    """The folder of a classifier's run, as far as a report reads it."""
    rows = [{"step": step, "loss": 1 / step, "lr": 0.1} for step in range(1, 5)]
    rows[-1] |= {"val/loss": 0.9, "val/top1": 0.5, "val/top5": 0.75}
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metrics.jsonl").write_text(lines)
    evaluation = {"step": 4, "images": 100, "scores": {"val/top1": 0.5}}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def sections(folder: Path) -> list[tuple[str, str]]:
    return run_sections(
        folder,
        scores=tiles([("top 1", "50.0", "")]),
        own=[("Classes", "<p>cat</p>")],
        data=data_section([("images", "100")], ["2 files were left out"]),
    )


def test_a_task_brings_its_sections_and_shares_the_others(tmp_path: Path) -> None:
    made = sections(finished(tmp_path))
    assert [heading for heading, _ in made] == ["Scores", "Training", "Classes", "Data", "Settings"]
    content = dict(made)
    assert "Scores, %" in content["Training"]
    assert "Loss" in content["Training"]
    assert content["Data"] == facts([("images", "100"), ("note", "2 files were left out")])
    assert "<dt>step</dt><dd>4</dd>" in content["Settings"]
    assert "scores" not in content["Settings"]


def test_scores_below_zero_are_inside_their_chart(tmp_path: Path) -> None:
    """R2 of a regression may be negative; the axis then reaches from below 0."""
    folder = finished(tmp_path)
    rows = [{"step": step, "loss": 1.0, "val/r2": (step - 3) / 4} for step in range(1, 5)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    training = dict(sections(folder))["Training"]
    assert ">-60<" in training
    (line,) = re.findall(r'points="([^"]+)"', training.split("Scores, %")[-1])[:1]
    heights = [float(point.partition(",")[2]) for point in line.split()]
    steps = [below - above for below, above in itertools.pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.11)  # written to a tenth of a pixel
    assert steps[0] > 10


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff"])
def test_a_damaged_evaluation_is_named(tmp_path: Path, text: bytes) -> None:
    (finished(tmp_path) / "evaluation.json").write_bytes(text)
    with pytest.raises(UserError, match=r"evaluation\.json must be a JSON object.* remove it"):
        evaluation_metadata(tmp_path)


def test_a_damaged_line_of_the_metrics_is_named(tmp_path: Path) -> None:
    (finished(tmp_path) / "metrics.jsonl").write_text('{"step": 1}\nnull\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl:2: a line must be a JSON object"):
        sections(tmp_path)


@pytest.mark.parametrize(
    ("command", "report"),
    [
        (["python", "tools/train_det.py", "a.yaml"], "python tools/report.py"),
        (
            ["/env/bin/python", "-u", "/rb/tools/train_det.py"],
            "/env/bin/python /rb/tools/report.py",
        ),
        (["/env/bin/python", "/env/bin/backbones", "train", "tools/a.yaml"], "backbones report"),
    ],
)
def test_a_page_is_made_again_as_the_run_was_started(
    tmp_path: Path, command: list[str], report: str
) -> None:
    starts = [{"command": ["elsewhere"]}, {"command": command}]
    (tmp_path / "environment.json").write_text(json.dumps(starts))
    settings = dict(sections(finished(tmp_path)))["Settings"]
    assert f"{' '.join(command)}\n{report} {tmp_path}</pre>" in settings


def test_a_page_without_a_training_is_made_by_the_command(tmp_path: Path) -> None:
    assert (
        f'<pre class="wraps">backbones report {tmp_path}</pre>'
        in dict(sections(tmp_path))["Settings"]
    )


def test_a_folder_without_a_training_has_no_section_of_one(tmp_path: Path) -> None:
    assert [heading for heading, _ in sections(tmp_path)] == [
        "Scores",
        "Classes",
        "Data",
        "Settings",
    ]


def test_a_page_is_written_whole(tmp_path: Path) -> None:
    title = Title("A <title>", ("recipe <b>", "4 steps"))
    file = write_page(tmp_path, title, "of 3 images", [("Scores", "<p>50.0</p>")])
    assert file == tmp_path / "report.html"
    assert "<title>A &lt;title&gt;, recipe &lt;b&gt;, 4 steps</title>" in file.read_text()
    assert "<h1>A &lt;title&gt;<span>recipe &lt;b&gt; · 4 steps</span></h1>" in file.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_is_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert try_report(lambda: file, "backbones report runs/a") == str(file)


@pytest.mark.parametrize("error", [ValueError("bad"), OSError("full"), AssertionError("odd")])
def test_a_report_that_cannot_be_made_says_why_and_how_to_try_again(error: Exception) -> None:
    def fail() -> Path:
        raise error

    said = try_report(fail, "backbones report runs/a")
    assert f"{type(error).__name__}: {error}" in said
    assert "backbones report runs/a tries again" in said
