"""The report of a classifier: whole, made again from its files, and true for odd inputs."""

import re
from pathlib import Path

import numpy as np
import pytest
from html_page import Page, check_in_browser
from PIL import Image
from ranked import classes, first_of, made_up, numbered

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.report.classification.build import report_again, report_classes
from tasks.report.classification.evaluated import read_evaluated
from tasks.report.page import SCRIPT
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.predictions_file import write_results
from tasks.scoring.top_k import ClassResults, score_classes, scoring_facts

SECTIONS = [
    "Scores",
    "Classes",
    "Confusion",
    "Calibration",
    "Most confident mistakes",
    "Least confident hits",
    "Data",
    "Settings",
]


def file_name(index: int) -> str:
    return f"{index}.png"


def evaluated(folder: Path, results: ClassResults, label_map: LabelMap) -> Path:
    """A folder with what an evaluation leaves; the images are those of `images` beside it."""
    folder.mkdir(exist_ok=True)
    images = folder.parent / "images"
    scores = {f"val/{name}": value for name, value in score_classes(results, label_map).items()}
    facts = {"task": "classification", **scoring_facts("the data", images, results, label_map)}
    write_evaluation(folder / "evaluation.json", scores, facts)
    write_results(folder / "predictions.csv", results, label_map, file_name)
    return folder


def reported(folder: Path, results: ClassResults, label_map: LabelMap) -> str:
    """The text of such a folder's report, as an evaluation makes it."""
    evaluated(folder, results, label_map)
    images = folder.parent / "images"

    def read_image(index: int) -> Path:
        return images / file_name(index)

    said = report_classes(folder, "the data", file_name, read_image, label_map, results)
    assert said == str(folder / "report.html")
    return (folder / "report.html").read_text()


def draw_images(folder: Path, count: int) -> None:
    folder.mkdir()
    for index in range(count):
        pixels = np.full((24, 32, 3), 10 * index % 255, np.uint8)
        Image.fromarray(pixels).save(folder / file_name(index))


def test_the_page_has_every_section_and_fetches_nothing(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 40)
    page = Page(reported(tmp_path / "run", made_up(40, 10), numbered(10)))
    assert page.headings == SECTIONS
    assert page.fetched == []
    assert page.open == []
    assert page.scripts == [SCRIPT]


def test_the_files_make_the_same_page_again(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 40)
    first = reported(tmp_path / "run", made_up(40, 10), numbered(10))
    assert "the image file is missing" not in first
    assert report_again(tmp_path / "run").read_text() == first


def test_a_browser_shows_it_without_a_word_on_the_console_and_nothing_too_wide(
    tmp_path: Path,
) -> None:
    draw_images(tmp_path / "images", 40)
    names = tuple(f"a rather long name of a class, {label}" for label in range(60))
    reported(tmp_path / "run", made_up(40, 60), classes(*names))
    check_in_browser(tmp_path / "run" / "report.html", tmp_path)


def test_images_elsewhere_are_found_and_missing_ones_are_told(tmp_path: Path) -> None:
    evaluated(tmp_path / "run", made_up(40, 10), numbered(10))
    assert "the image file is missing" in report_again(tmp_path / "run").read_text()
    draw_images(tmp_path / "moved", 40)
    page = report_again(tmp_path / "run", tmp_path / "moved")
    assert "the image file is missing" not in page.read_text()


@pytest.mark.parametrize(
    ("images", "label_map"),
    [
        (0, numbered(3)),
        (0, numbered(1000)),
        (1, numbered(1)),
        (5, numbered(2)),
        (3, classes("<b>1</b>", "a:b,c", "d/e")),
        (30, numbered(61)),
    ],
)
def test_odd_inputs_give_whole_pages(tmp_path: Path, images: int, label_map: LabelMap) -> None:
    results = made_up(images, label_map.num_classes) if images else ClassResults.empty()
    text = reported(tmp_path / "run", results, label_map)
    assert Page(text).headings == SECTIONS
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)
    assert "<b>1</b>" not in text
    assert report_again(tmp_path / "run").read_text() == text


def test_a_page_of_a_thousand_classes_is_small(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 1)
    text = reported(tmp_path / "run", made_up(3000, 1000), numbered(1000))
    assert len(text) < 1_000_000
    assert "These are the worst 30 of 1000" in text
    assert "Images by true and predicted class" not in text


def test_numbers_by_hand_are_in_the_page(tmp_path: Path) -> None:
    """Three of four are right; one dog is taken for a cat, with 0.9."""
    results = first_of((0, 0, 0.8), (0, 0, 0.8), (1, 1, 0.8), (1, 0, 0.9))
    text = reported(tmp_path / "run", results, classes("cat", "dog"))
    assert "<span>top 1</span><b>75.0</b><span>30.1 to 95.4</span>" in text
    (row,) = re.findall(r'<tr><th scope="row">dog</th>(<td>.*?)</tr>', text)[:1]
    cells = re.sub("<svg.*?</svg>", "", row)
    assert re.findall(r"<td[^>]*>([^<]*)</td>", cells) == [
        "2",
        "50.0",
        "",
        "9.5 to 90.5",
        "100.0",
        "cat (1)",
    ]
    assert "dog, predicted cat: 1 of 2" in text
    assert "<b>cat</b> 90.0&nbsp;%<br>truth: <b>dog</b><br>3.png" in text


def test_the_most_confident_mistakes_and_least_confident_hits_come_first(tmp_path: Path) -> None:
    pairs = [(0, 1, 0.5 + index / 100) for index in range(30)]
    pairs += [(0, 0, 0.5 + index / 100) for index in range(30)]
    text = reported(tmp_path / "run", first_of(*pairs), classes("cat", "dog"))
    shown = [int(number) for number in re.findall(r'alt="(\d+)\.png"', text)]
    assert shown == [*range(29, 5, -1), *range(30, 42)]


def test_a_fault_of_the_report_is_told_and_raises_nothing(tmp_path: Path) -> None:
    def fail(index: int) -> str:
        raise RuntimeError("planted")

    results = first_of((0, 1, 0.5))
    said = report_classes(
        tmp_path,
        "the data",
        fail,
        file_name,
        classes("cat", "dog"),
        results,
        report_command="again",
    )
    assert "RuntimeError: planted" in said
    assert f"again {tmp_path} tries again" in said


def test_a_folder_without_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs the evaluation\.json.* score-it CHECKPOINT --out"):
        report_again(tmp_path, eval_command="score-it")


def test_an_evaluation_without_scores_of_classes_is_refused(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "evaluation.json", {"val/top1": 0.5}, {"data": "the data"})
    with pytest.raises(UserError, match="must hold val/top1/<class> for each of them"):
        report_again(tmp_path)


def test_the_classes_are_those_of_the_scores(tmp_path: Path) -> None:
    label_map = classes("b", "a", "c/d")
    evaluated(tmp_path / "run", made_up(5, 3), label_map)
    assert read_evaluated(tmp_path / "run").label_map.names == label_map.names
