"""The report of a segmenter: whole, made again from its files, and true for odd inputs."""

import re
from pathlib import Path

import numpy as np
import pytest
from html_page import Page, check_in_browser
from labelled import ROAD, labels, scored
from PIL import Image
from ranked import classes, numbered

from resnet_backbones.errors import UserError
from tasks.labels import LabelMap
from tasks.report.page import SCRIPT
from tasks.report.segmentation.build import remake_report, report_segmentation
from tasks.report.segmentation.sections import most_confused
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.pixels_file import write_results
from tasks.scoring.semantic import semantic_scores
from tasks.scoring.semantic_results import SemanticResults, SemanticTally

SECTIONS = ["Scores", "Classes", "Confusion", "Worst images", "Data", "Settings"]


def file_name(index: int) -> str:
    return f"{index}.png"


def evaluated(folder: Path, results: SemanticResults, label_map: LabelMap) -> Path:
    """A folder with what an evaluation leaves; the images are those of `images` beside it."""
    folder.mkdir(exist_ok=True)
    facts = {"task": "segmentation", "data": "masks", "image_root": str(folder.parent / "images")}
    scores = semantic_scores(results.confusion, label_map)
    write_evaluation(folder / "evaluation.json", scores, facts)
    write_results(folder, results, label_map, file_name, ["3 masks were left out"])
    return folder


def reported(folder: Path, results: SemanticResults, label_map: LabelMap) -> str:
    evaluated(folder, results, label_map)
    assert report_segmentation(folder) == str(folder / "report.html")
    return (folder / "report.html").read_text()


def draw_images(folder: Path, count: int, size: tuple[int, int] = (24, 32)) -> None:
    folder.mkdir()
    for index in range(count):
        pixels = np.full((*size, 3), 10 * index % 255, np.uint8)
        Image.fromarray(pixels).save(folder / file_name(index))


def test_the_page_has_every_section_and_fetches_nothing(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 20)
    page = Page(reported(tmp_path / "run", scored(20, ROAD), ROAD))
    assert page.headings == SECTIONS
    assert page.fetched == []
    assert page.open == []
    assert page.scripts == [SCRIPT]


def test_the_files_make_the_same_page_again(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 20)
    first = reported(tmp_path / "run", scored(20, ROAD), ROAD)
    assert "the image file is missing" not in first
    assert remake_report(tmp_path / "run").read_text() == first


def test_a_browser_shows_it_without_a_word_on_the_console_and_nothing_too_wide(
    tmp_path: Path,
) -> None:
    draw_images(tmp_path / "images", 20)
    names = tuple(f"a rather long name of a class, {label}" for label in range(60))
    reported(tmp_path / "run", scored(20, numbered(60)), classes(*names))
    check_in_browser(tmp_path / "run" / "report.html", tmp_path)


def test_images_elsewhere_are_found_and_missing_ones_are_told(tmp_path: Path) -> None:
    evaluated(tmp_path / "run", scored(20, ROAD), ROAD)
    assert "the image file is missing" in remake_report(tmp_path / "run").read_text()
    draw_images(tmp_path / "moved", 20)
    page = remake_report(tmp_path / "run", tmp_path / "moved")
    assert "the image file is missing" not in page.read_text()


def test_images_of_another_size_are_told(tmp_path: Path) -> None:
    draw_images(tmp_path / "images", 20, (32, 24))
    text = reported(tmp_path / "run", scored(20, ROAD), ROAD)
    assert text.count("the image has another size than its labels") == 12


@pytest.mark.parametrize(
    ("images", "label_map"),
    [
        (0, numbered(3)),
        (1, numbered(1)),
        (3, classes("<b>1</b>", "a:b,c", "d/e")),
        (30, numbered(255)),
    ],
)
def test_odd_inputs_give_whole_pages(tmp_path: Path, images: int, label_map: LabelMap) -> None:
    text = reported(tmp_path / "run", scored(images, label_map), label_map)
    assert Page(text).headings == SECTIONS
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text)
    assert "<b>1</b>" not in text


def test_the_page_says_what_the_labels_say(tmp_path: Path) -> None:
    tally = SemanticTally(4)
    tally.add(1, labels("00001", "00001"), labels("00011", "00011"))
    tally.add(2, labels("0000.", "1111."), labels("00002", "11112"))
    text = reported(tmp_path / "run", tally.results(), ROAD)
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", text)
    cells = [[re.sub("<[^>]+>", "", cell) for cell in row.split("</t")] for row in rows]
    road = next(row for row in cells if row[0] == "road")
    assert (road[1][2:], road[2][2:], road[6][2:]) == ("66.67", "83.3", "83.3")
    assert road[8].endswith("tree (16.7)")
    assert "road, predicted tree: 2 of 12" in text
    shown = "20.0 % of the pixels wrong · mean IoU 62.5 of its 2 classes · lowest: tree 50, road 75"
    assert shown in text
    assert "3 masks were left out" in text
    assert "4, 2 without pixels" in text
    assert text.index('alt="ground truth of 0.png"') < text.index('alt="ground truth of 1.png"')


def test_the_matrix_shows_the_classes_with_most_wrong_pixels() -> None:
    confusion = np.diag(np.full(30, 1000))
    confusion[29, 3] = 50
    confusion[7, 12] = 40
    shown = most_confused(confusion)
    assert len(shown) == 20
    assert shown == sorted(shown)
    assert {29, 3, 7, 12} < set(shown)


def test_a_fault_of_the_report_is_told_and_raises_nothing(tmp_path: Path) -> None:
    evaluated(tmp_path, scored(3, ROAD), ROAD)
    (tmp_path / "pixels.npz").write_bytes(b"damaged")
    said = report_segmentation(tmp_path, report_command="again")
    assert "pixels.npz must be as" in said
    assert f"again {tmp_path} tries again" in said


def test_a_folder_without_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs the evaluation\.json.* score-it CHECKPOINT --out"):
        remake_report(tmp_path, eval_command="score-it")
