"""Every defect of images and masks, planted alone, is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from masks import write_classes, write_image, write_mask
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.findings import Finding
from tasks.datasets.semantic.check import check_semantic, holds_semantic
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.shapes.art import CLASSES
from tasks.report.checks.page import write_page


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images of 3 x 2 pixels with masks of the classes sky and road."""
    write_classes(tmp_path / "classes.txt", "sky", "road")
    for number, name in enumerate("abc"):
        write_image(tmp_path / f"train/images/{name}.png", shade=number)
        write_mask(tmp_path / f"train/masks/{name}.png", [[0, 1, 255], [1, 1, 0]])
    return tmp_path


def check(root: Path) -> CheckReport:
    return check_semantic({"train": SemanticSource(root=root)}, "apply")


def only(report: CheckReport) -> Finding:
    (finding,) = report.findings
    return finding


def test_a_sound_set_has_no_findings_and_is_counted(root: Path) -> None:
    report = check(root)
    assert report.findings == ()
    assert report.splits[0].contents == (
        "3 images, 2 classes",
        "ignored: 16.67 % of the pixels, in 3 images",
        "pixels and images by class:",
        "   60.00 %       3  road",
        "   40.00 %       3  sky",
    )


def test_a_missing_mask(root: Path) -> None:
    (root / "train/masks/b.png").unlink()
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("missing mask", "error")
    assert finding.file == str(root / "train/images/b.png")


def test_a_missing_image(root: Path) -> None:
    (root / "train/images/b.png").unlink()
    finding = only(check(root))
    assert (finding.kind, finding.file) == ("missing image", str(root / "train/masks/b.png"))


def test_an_unreadable_image(root: Path) -> None:
    (root / "train/images/b.png").write_bytes(b"<html>")
    finding = only(check(root))
    assert (finding.kind, finding.file) == ("unreadable image", str(root / "train/images/b.png"))


def test_an_image_that_is_cut_off(root: Path) -> None:
    image = root / "train/images/b.png"
    image.write_bytes(image.read_bytes()[:50])
    finding = only(check(root))
    assert (finding.kind, finding.file) == ("unreadable image", str(image))


def test_an_unreadable_mask(root: Path) -> None:
    (root / "train/masks/b.png").write_bytes(b"<html>")
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("unreadable mask", "error")


def test_a_mask_of_another_size(root: Path) -> None:
    write_mask(root / "train/masks/b.png", [[0, 1]])
    finding = only(check(root))
    assert (finding.kind, finding.record) == ("size mismatch", "b.png")
    assert "is 2x1 pixels (width x height), its image is 3x2" in finding.rule


def test_a_label_outside_the_list(root: Path) -> None:
    write_mask(root / "train/masks/b.png", [[0, 1, 7], [7, 7, 7]])
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("label outside the list", "error")
    assert "got the value 7 at x 2, y 0" in finding.rule
    assert finding.image == root / "train/images/b.png"


def test_a_jpeg_mask(root: Path) -> None:
    mask = root / "train/masks/b.png"
    Image.open(mask).save(mask.with_suffix(".jpg"))
    mask.unlink()
    assert only(check(root)).kind == "lossy mask"


def test_a_resampled_mask(root: Path) -> None:
    write_image(root / "train/images/b.png", 16, 16)
    values = np.arange(256).reshape(16, 16)
    write_mask(root / "train/masks/b.png", values.tolist())
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("lossy mask", "error")
    assert "got the value 2 at x 2, y 0, and 252 others, as JPEG and resampling" in finding.rule


def test_colours_without_a_table(root: Path) -> None:
    write_mask(root / "train/masks/b.png", np.zeros((2, 3, 3)).tolist())
    assert only(check(root)).kind == "colours without a table"


def test_an_image_with_ignored_pixels_only(root: Path) -> None:
    write_mask(root / "train/masks/b.png", [[255] * 3] * 2)
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("only ignored", "warning")
    assert finding.record == "b.png"


def test_a_split_with_ignored_pixels_only(root: Path) -> None:
    for name in "abc":
        write_mask(root / f"train/masks/{name}.png", [[255] * 3] * 2)
    report = check(root)
    assert [(one.kind, one.severity) for one in report.findings] == [
        ("nothing to learn", "error"),
        *[("only ignored", "warning")] * 3,
    ]


def test_a_class_in_no_image(root: Path) -> None:
    write_classes(root / "classes.txt", "sky", "road", "car")
    finding = only(check(root))
    assert (finding.kind, finding.severity) == ("class in no image", "warning")
    assert finding.record == "class 'car'"


def test_a_class_in_no_image_that_is_scored_is_a_note(root: Path) -> None:
    write_image(root / "val/images/z.png", shade=9)
    write_mask(root / "val/masks/z.png", [[0, 0, 0], [0, 0, 255]])
    sources = {
        "train": SemanticSource(root=root),
        "val": SemanticSource(root=root, split="val"),
    }
    report = check_semantic(sources, "apply")
    assert report.findings == ()
    note = "note: 1 of 2 classes are in no image here, so their IoU cannot be scored"
    assert [note in split.contents for split in report.splits] == [False, True]


def test_images_of_both_splits(root: Path) -> None:
    write_image(root / "val/images/z.png", shade=1)
    write_mask(root / "val/masks/z.png", [[0, 1, 1], [1, 1, 1]])
    sources = {
        "train": SemanticSource(root=root),
        "val": SemanticSource(root=root, split="val"),
    }
    finding = only(check_semantic(sources, "apply"))
    assert (finding.kind, finding.file) == ("leak", str(root / "train/images/b.png"))
    assert not finding.fixable


def test_what_cannot_be_read_at_all_is_a_finding(root: Path) -> None:
    (root / "classes.txt").unlink()
    finding = only(check(root))
    assert finding.kind == "refused by training"
    assert "masks need a list of their classes" in finding.rule


def test_a_corrected_file_cannot_be_written(root: Path) -> None:
    (root / "train/masks/b.png").unlink()
    with pytest.raises(UserError, match="masks have none to write to"):
        write_fixed(check(root), str(root / "fixed.json"))


def test_a_page_shows_the_image(root: Path) -> None:
    write_mask(root / "train/masks/b.png", [[0, 1, 7], [7, 7, 7]])
    write_page(check(root), root / "check.html", "apply")
    page = (root / "check.html").read_text()
    assert "label outside the list (1)" in page
    assert 'alt="b.png, b.png"' in page


def test_a_sound_panoptic_file_and_one_whose_png_is_missing(tmp_path: Path) -> None:
    write_image(tmp_path / "train/a.jpg", 1, 1)
    write_mask(tmp_path / "annotations/panoptic_train/a.png", [[[5, 0, 0]]])
    image = {"id": 1, "file_name": "a.jpg", "height": 1, "width": 1}
    segments = [{"id": 5, "category_id": 1}]
    annotation = {"image_id": 1, "file_name": "a.png", "segments_info": segments}
    content = {
        "images": [image],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}],
    }
    (tmp_path / "annotations/panoptic_train.json").write_text(json.dumps(content))
    assert check(tmp_path).findings == ()
    (tmp_path / "annotations/panoptic_train/a.png").unlink()
    assert only(check(tmp_path)).kind == "unreadable mask"


def test_records_of_instances_are_looked_through(shapes: Path) -> None:
    source = SemanticSource(root=shapes, split="val")
    report = check_semantic({"val": source}, "apply")
    assert report.errors == 0
    assert "crowd" in {finding.kind for finding in report.findings}
    assert report.splits[0].contents[0] == f"8 images, {len(CLASSES) + 1} classes"


def test_which_folders_are_semantic(root: Path, shapes: Path) -> None:
    assert holds_semantic(root)
    assert not holds_semantic(shapes)
    assert not holds_semantic(root / "train")


def test_class_folders_are_none(tmp_path: Path) -> None:
    for name in ("cat", "masks"):
        write_image(tmp_path / f"train/{name}/{name}.png")
    assert not holds_semantic(tmp_path)


def test_outlines_of_boxes_are_none(tmp_path: Path) -> None:
    write_image(tmp_path / "images/train/a.png")
    write_classes(tmp_path / "labels/train/a.txt", "0 0.5 0.5 1 1")
    assert not holds_semantic(tmp_path)
