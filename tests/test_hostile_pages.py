"""Names that are HTML: every page of every task holds them as text only."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import scored
from PIL import Image
from ranked import classes, made_up

from tasks.classification.check import check_data as check_classes
from tasks.detection.check import check_data as check_boxes
from tasks.detection.results import evaluate_results
from tasks.labels import LabelMap
from tasks.report.classification.build import report_again
from tasks.report.instances.build import remake_report
from tasks.report.page import SCRIPT as OWN_SCRIPT
from tasks.report.segmentation.build import remake_report as remake_segmentation
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results as write_pixels
from tasks.scoring.predictions_file import write_results as write_predictions
from tasks.scoring.semantic import semantic_scores
from tasks.scoring.top_k import score_classes, scoring_facts
from tasks.segmentation.check import check_data as check_labels

SCRIPT = "<script>alert(1)</script>"
BREAKS_OUT = "\"'><img src=x onerror=alert(1)>"
ADDRESS = "javascript:alert(1)"
NAMES = (SCRIPT, BREAKS_OUT, ADDRESS, "]]></style></title><svg onload=alert(1)>")
IN_A_FILE_NAME = "\"'><img src=x onerror=alert(1)>javascript:alert(1)"  # which may hold no slash
HOSTILE = LabelMap(NAMES, NAMES)


class Quiet(HTMLParser):
    """Reads a page and keeps whatever could run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.running: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "base", "form"):
            self.running.append(tag)
        for name, value in attrs:
            address = "".join(str(value).split()).lower()
            fetches = name in ("src", "href", "action", "formaction", "xlink:href", "srcset")
            foreign = fetches and not address.startswith(("data:image/", "data:,", "#"))
            if name.startswith("on") or ("javascript:" in address and name != "alt") or foreign:
                self.running.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def assert_quiet(page: Path, *shown: str) -> None:
    """Nothing but a report's own script runs, and the page shows the hostile texts as they are."""
    text = page.read_text(encoding="utf-8").replace(f"<script>{OWN_SCRIPT}</script>", "")
    read = Quiet(text)
    assert read.running == []
    everything = "".join(read.texts)
    assert [text for text in shown if text not in everything] == []


def spoil(folder: Path) -> None:
    """Put hostile texts wherever a report reads some."""
    start = {
        "command": ["python", SCRIPT],
        "processor": BREAKS_OUT,
        "versions": {SCRIPT: ADDRESS},
        "folder": SCRIPT,
    }
    (folder / "environment.json").write_text(json.dumps([start]))
    (folder / "config.yaml").write_text(json.dumps({"run": {"output_dir": BREAKS_OUT}}))
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, f"loss/{SCRIPT}": 1.0}) + "\n")
    file = folder / "evaluation.json"
    said = {SCRIPT: BREAKS_OUT, "overrides": [ADDRESS], "settings": {SCRIPT: {"a": BREAKS_OUT}}}
    file.write_text(json.dumps(json.loads(file.read_text()) | said))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder whose own name is hostile."""
    made = tmp_path / IN_A_FILE_NAME
    made.mkdir()
    return made


def draw(file: Path) -> str:
    """A picture, and its name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(file)
    return file.name


def hostile_coco(root: Path) -> dict[str, Any]:
    """Annotations of a picture; names, ids and a broken box are hostile."""
    name = draw(root / f"{IN_A_FILE_NAME}.png")
    box = {"image_id": SCRIPT, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 0}
    boxes = [{**box, "id": i, "category_id": hostile} for i, hostile in enumerate(NAMES)]
    return {
        "images": [{"id": SCRIPT, "file_name": name, "height": 40, "width": 60}],
        "categories": [{"id": hostile, "name": hostile} for hostile in NAMES],
        "annotations": boxes,
    }


def test_the_report_of_detections(folder: Path) -> None:
    content = hostile_coco(folder)
    (folder / "truth.json").write_text(json.dumps(content))
    found = [
        {**{key: box[key] for key in ("image_id", "bbox")}, "category_id": NAMES[0], "score": 0.9}
        for box in content["annotations"]
    ]
    (folder / "found.json").write_text(json.dumps(found))
    evaluate_results(folder / "found.json", folder / "truth.json", folder)
    spoil(folder)
    assert_quiet(remake_report(folder), *NAMES)


def test_the_report_of_labels(folder: Path) -> None:
    results = scored(3, HOSTILE)
    scores = semantic_scores(results.confusion, HOSTILE)
    facts = {"task": "segmentation", "data": SCRIPT, "image_root": str(folder)}
    write_evaluation(folder / "evaluation.json", scores, facts)
    write_pixels(folder, results, HOSTILE, lambda index: f"{index}{BREAKS_OUT}", [SCRIPT])
    spoil(folder)
    assert_quiet(remake_segmentation(folder), *NAMES)


def test_the_report_of_classes(folder: Path) -> None:
    results = made_up(12, len(NAMES))
    scores = {f"val/{name}": value for name, value in score_classes(results, HOSTILE).items()}
    facts = {"task": "classification", **scoring_facts(SCRIPT, folder, results, HOSTILE)}
    write_evaluation(folder / "evaluation.json", scores, facts)
    names = classes(*NAMES).names
    write_predictions(folder / "predictions.csv", results, HOSTILE, lambda i: f"{i}{names[i % 4]}")
    spoil(folder)
    assert_quiet(report_again(folder), *NAMES)


def test_the_page_of_a_check_of_boxes(folder: Path, tmp_path: Path) -> None:
    content = hostile_coco(folder)
    content["annotations"][0]["bbox"] = [50, 30, 100, 100]  # leaves the image
    content["annotations"][1]["bbox"] = SCRIPT
    (folder / "truth.json").write_text(json.dumps(content))
    page = tmp_path / "page.html"
    check_boxes([str(folder), str(folder / "truth.json")], page=str(page))
    assert_quiet(page, SCRIPT)


def test_the_page_of_a_check_of_labels(folder: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        name = f"{IN_A_FILE_NAME}.png"
        draw(folder / split / "images" / name)
        draw(folder / split / "masks" / name)  # of three channels, which is a finding
    (folder / "classes.txt").write_text("\n".join(NAMES) + "\n")
    page = tmp_path / "page.html"
    check_labels(["task=segmentation", "data.labels=masks", f"data.root={folder}"], page=str(page))
    assert_quiet(page, IN_A_FILE_NAME)


def test_the_page_of_a_check_of_classes(folder: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in (IN_A_FILE_NAME, "plain"):
            draw(folder / split / name / f"{IN_A_FILE_NAME}.png")
        (folder / split / "plain" / f"{IN_A_FILE_NAME}.jpg").write_text(SCRIPT)
    page = tmp_path / "page.html"
    check_classes([str(folder)], page=str(page))
    assert_quiet(page, IN_A_FILE_NAME)
