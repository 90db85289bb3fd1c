"""report.html: whole and quiet in a browser, the same bytes again, and true for odd inputs."""

import json
import math
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from found_boxes import detections, one_class
from html_page import Page, check_in_browser

from resnet_backbones.errors import UserError
from tasks.cli.main import main
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.detection.config import DetectionConfig
from tasks.detection.results import evaluate_results
from tasks.engine.config import from_saved, load_config, to_dict, to_yaml
from tasks.report.instances import build
from tasks.report.instances.analysis import analyse
from tasks.report.instances.build import (
    read_evaluated,
    remake_report,
    report_detections,
    write_report,
)
from tasks.report.instances.compare import compare_runs
from tasks.report.page import SCRIPT
from tasks.scoring.engines import hotcoco_evaluator
from tasks.scoring.instances import score_boxes
from tasks.scoring.resampling import draw_images
from tasks.scoring.results import DetectionResults, read_results_json, write_results_json

SUSPECTS = "Annotations to look at"
SECTIONS = (
    "Scores",
    "Classes and sizes",
    "Precision and recall",
    "Operating point",
    "Errors",
    "Confusion",
    "Calibration",
    "Worst images",
    "Best images",
    SUSPECTS,
    "Data",
    "Settings",
)


@pytest.fixture(scope="module")
def dataset(shapes: Path) -> CocoDataset:
    return read_coco(shapes / "annotations" / "instances_val.json", shapes / "val")


def evaluated(folder: Path, dataset: CocoDataset, results: DetectionResults) -> Path:
    """A folder with detections.json, scored by our tool's function, which writes the report."""
    folder.mkdir()
    write_results_json(folder / "detections.json", dataset, results)
    evaluate_results(folder / "detections.json", dataset.path, folder, dataset.image_root)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, dataset: CocoDataset) -> Path:
    """A folder with everything that a training leaves, made up."""
    folder = evaluated(tmp_path_factory.mktemp("report") / "run", dataset, detections(dataset))
    rows = [
        {"step": step, "loss": 2 / step, "lr": 0.1, "box/AP": None if step % 5 else 0.1}
        for step in range(1, 21)
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 2'
    )
    (folder / "config.yaml").write_text("optim:\n  lr: 0.1\n  note: <script>alert(1)</script>\n")
    start = {
        "command": ["python", "tools/train_det.py", "a<b"],
        "cores": 2,
        "versions": {"torch": "2"},
    }
    (folder / "environment.json").write_text(json.dumps([start]))
    remake_report(folder)
    return folder


def test_the_page_has_every_section_and_fetches_nothing(run: Path) -> None:
    page = Page((run / "report.html").read_text())
    assert page.headings == ["Scores", "Training", *SECTIONS[1:]]
    assert page.fetched == []
    assert page.open == []
    assert page.scripts == [SCRIPT]  # and the one of the settings is text


def test_the_same_files_give_the_same_bytes(run: Path) -> None:
    first = (run / "report.html").read_bytes()
    remake_report(run)
    assert (run / "report.html").read_bytes() == first


def test_a_browser_shows_it_without_a_word_on_the_console_and_nothing_too_wide(
    run: Path, tmp_path: Path
) -> None:
    check_in_browser(run / "report.html", tmp_path)


def test_scores_are_ours_and_intervals_hold_them(dataset: CocoDataset) -> None:
    results = detections(dataset)
    scores = score_boxes(dataset, results)
    analysis = analyse(dataset, results)
    for name, value in analysis.scores.items():
        assert value == pytest.approx(scores[f"box/{name}"], nan_ok=True)
    for report in analysis.classes:
        assert report.ap == pytest.approx(scores[f"box/AP/{report.name}"], nan_ok=True)
    low, high = analysis.intervals["AP"]
    assert low < scores["box/AP"] < high


def test_operating_points_reach_the_best_f1_of_hotcoco(dataset: CocoDataset) -> None:
    """hotcoco reads F1 off 101 recalls, ours is counted, so may differ by what lies between two of
    them.
    """
    results = detections(dataset)
    expected = hotcoco_evaluator(dataset, results).f_scores()["F1_50"]
    f1 = [report.f1 for report in analyse(dataset, results).classes if report.objects]
    assert np.mean(f1) == pytest.approx(expected, abs=0.02)


def test_counts_at_the_operating_point_add_up(dataset: CocoDataset) -> None:
    analysis = analyse(dataset, detections(dataset))
    for label, report in enumerate(analysis.classes):
        assert report.right + report.missed == report.objects
        assert report.objects == (dataset.labels[~dataset.crowd] == label).sum()
    assert analysis.confusion[:-1].sum() == (~dataset.crowd).sum()


def test_a_perfect_class_of_one_object_is_not_said_to_lie_between_0_and_100(
    tmp_path: Path,
) -> None:
    """field_faults 22 and first_hour 4: the page says how many samples hold the class."""
    dataset = one_class(tmp_path, 1, 1)
    boxes = np.array([[10.0, 5, 9, 9]])
    results = DetectionResults(np.ones(1, np.int64), boxes, np.ones(1), np.zeros(1, np.int64))
    analysis = analyse(dataset, results)
    held = int((draw_images(2)[:, 0] > 0).sum())
    report = analysis.classes[0]
    assert (report.interval, report.images, report.samples) == ((1.0, 1.0), 1, held)
    text = write_report(tmp_path, dataset, results).read_text()
    assert ">0.0 to 100.0<" not in text
    assert f"<td>100.0 to 100.0</td><td>{held}</td>" in text


@pytest.mark.parametrize(
    ("classes", "objects", "count"), [(1, 3, 3), (1, 3, 0), (1, 0, 2), (80, 2, 2), (1, 0, 0)]
)
def test_odd_inputs_give_whole_pages(
    tmp_path: Path, classes: int, objects: int, count: int
) -> None:
    """One class and 80; no detections; no ground truth; no image files; names that look
    like HTML.
    """
    dataset = one_class(tmp_path, classes, objects)
    boxes = np.array([[10.0 * i, 5, 9, 9] for i in range(1, count + 1)]).reshape(-1, 4)
    results = DetectionResults(
        np.ones(count, np.int64), boxes, np.full(count, 0.9), np.zeros(count, np.int64)
    )
    text = write_report(tmp_path, dataset, results).read_text()
    with_suspects = objects == 0 and count > 0
    expected = [name for name in SECTIONS if with_suspects or name != SUSPECTS]
    assert Page(text).headings == expected
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)
    assert "<b>1</b>" not in text
    assert ("the image file is missing" in text) == bool(objects + count)


def test_a_fault_of_the_report_is_told_and_raises_nothing(
    run: Path, dataset: CocoDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(build, "analyse", fail)
    before = (run / "report.html").read_bytes()
    assert report_detections(run, dataset) == (
        "none, as making it failed (RuntimeError: planted); the results are saved, and"
        f" backbones report {run} tries again"
    )
    assert (run / "report.html").read_bytes() == before


def test_a_folder_without_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"needs the evaluation\.json of a finished evaluation, found none in"
    ):
        remake_report(tmp_path)


def test_a_run_compared_with_itself_differs_in_nothing(run: Path) -> None:
    comparison = compare_runs(run, run)
    assert all(row.interval == (0, 0) for row in comparison.scores if not math.isnan(row.a))
    assert comparison.settings == ()
    assert "  none" in str(comparison)


def test_a_worse_run_is_worse_beyond_its_interval(
    run: Path, dataset: CocoDataset, tmp_path: Path
) -> None:
    worse = evaluated(tmp_path / "worse", dataset, detections(dataset, noise=0.2))
    (worse / "config.yaml").write_text("optim:\n  lr: 0.2\n  note: <script>alert(1)</script>\n")
    comparison = compare_runs(run, worse)
    scores = [
        score_boxes(dataset, read_results_json(folder / "detections.json", dataset))
        for folder in (run, worse)
    ]
    overall = comparison.scores[0]
    assert (overall.a, overall.b) == pytest.approx([evaluation["box/AP"] for evaluation in scores])
    assert overall.interval[1] < 0
    assert comparison.settings == (("optim.lr", "0.1", "0.2"),)
    assert re.search(r"^AP .* \*$", str(comparison), re.MULTILINE)


def present_settings(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return to_dict(from_saved(DetectionConfig, values, "a test"))


def test_a_run_of_0_1_differs_from_a_new_one_in_what_was_set_alone(
    run: Path, tmp_path: Path
) -> None:
    """Neither the file's form nor settings that came or went are differences."""
    old = shutil.copytree(run, tmp_path / "old")
    new = shutil.copytree(run, tmp_path / "new")
    frozen = Path(__file__).parents[1] / "frozen" / "0.1.0" / "run"
    for name in ("config.yaml", "last.pt"):
        shutil.copy(frozen / name, old / name)
    config = load_config(DetectionConfig, old / "config.yaml", ["optim.lr=0.5"])
    (new / "config.yaml").write_text(to_yaml(config))
    comparison = compare_runs(old, new, read_settings=present_settings)
    assert comparison.settings == (("optim.lr", "0.002", "0.5"),)


def test_the_version_of_the_settings_is_no_difference(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    text = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(f"settings_version: 2\n{text}")
    assert compare_runs(run, copy).settings == ()


def test_a_script_names_itself_where_an_evaluation_is_missing(tmp_path: Path) -> None:
    words = "python tools/eval_det.py"
    with pytest.raises(UserError, match=f"{words} CHECKPOINT --out"):
        compare_runs(tmp_path, tmp_path, eval_command=words)
    with pytest.raises(UserError, match=f"{words} CHECKPOINT --out"):
        remake_report(tmp_path, eval_command=words)


def test_runs_on_different_ground_truth_are_refused(
    run: Path, shapes: Path, tmp_path: Path
) -> None:
    train = read_coco(shapes / "annotations" / "instances_train.json", shapes / "train")
    folder = evaluated(tmp_path / "train", train, detections(train))
    with pytest.raises(
        UserError,
        match=r"runs must be scored on the same ground truth, but .*score both on one file: eval R",
    ):
        compare_runs(run, folder, eval_command="eval")


def test_what_was_evaluated_is_read_again(run: Path, dataset: CocoDataset) -> None:
    again, results = read_evaluated(run)
    assert np.array_equal(again.boxes, dataset.boxes)
    assert len(results) == len(detections(dataset))


def test_moved_annotations_and_images_are_named_on_the_command_line(
    run: Path, dataset: CocoDataset, tmp_path: Path
) -> None:
    """The message names the file that it looked for and the options; with them the page is made."""
    folder = shutil.copytree(run, tmp_path / "run")
    gone = tmp_path / "gone" / "val.json"
    said = json.loads((folder / "evaluation.json").read_text())
    said |= {"annotations": str(gone), "image_root": str(tmp_path / "gone")}
    (folder / "evaluation.json").write_text(json.dumps(said))
    with pytest.raises(UserError, match=f"no file at {gone}; `--annotations FILE --images FOLDER`"):
        remake_report(folder)
    remake_report(folder, dataset.image_root, annotations=dataset.path)
    assert "the image file is missing" not in (folder / "report.html").read_text()
    assert main(["report", str(folder), "--annotations", str(dataset.path)]) == 0
    page = (folder / "report.html").read_text()
    assert f"the image file is missing: looked in {tmp_path / 'gone'};" in page


def test_other_annotations_than_those_scored_are_refused(run: Path, shapes: Path) -> None:
    other = shapes / "annotations" / "instances_train.json"
    with pytest.raises(UserError, match="must be the annotations that were scored, of"):
        remake_report(run, annotations=other)
