"""Rules that the check and training share, each seen from both sides and after --fix."""

from pathlib import Path
from typing import Any

import pytest
from planted_defects import Content, content, make_images, picture, write

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.datasets.coco.usable import usable_images
from tasks.labels import LabelMap


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    return tmp_path


def scan(folder: Path, file: str = "gt.json", **needs: bool) -> CheckReport:
    split = Split("train", folder / "images", folder / file, **needs)
    return check([split], exif="apply", grid=AnchorGrid())


def read(folder: Path, file: str = "gt.json") -> CocoDataset:
    return read_coco(folder / file, folder / "images", check_sizes=True)


def fixed(folder: Path) -> CocoDataset:
    """What is read of the corrected file, which has no errors."""
    write_fixed(scan(folder), folder / "fixed.json")
    assert scan(folder, "fixed.json").errors == 0
    return read(folder, "fixed.json")


def changed(folder: Path, listed: str, **values: Any) -> None:
    """Write the data set with values of the first record of a list."""
    made = content()
    made[listed][0].update(values)
    write(folder, made)


@pytest.mark.parametrize("value", ["false", "no", "0.0", [], {}, float("nan"), 2, -1])
def test_a_crowd_is_0_or_1_for_both(folder: Path, value: Any) -> None:
    """fault_campaign 13: training took all of these for crowds."""
    changed(folder, "annotations", iscrowd=value)
    assert scan(folder).errors == 1
    with pytest.raises(UserError, match="iscrowd must be 0 or 1, got"):
        read(folder)


@pytest.mark.parametrize(("value", "crowd"), [(True, True), (1.0, True), ("1", True), (0.0, False)])
def test_other_writings_of_0_and_1(folder: Path, value: Any, crowd: bool) -> None:
    changed(folder, "annotations", iscrowd=value)
    assert scan(folder).errors == 0
    assert read(folder).crowd[0] == crowd


@pytest.mark.parametrize(("word", "crowd"), [("true", True), ("no", False), ("0.0", False)])
def test_a_crowd_in_words_is_mended(folder: Path, word: str, crowd: bool) -> None:
    changed(folder, "annotations", iscrowd=word)
    assert fixed(folder).crowd.tolist() == [crowd, *[False] * 5]


def test_ids_of_a_spreadsheet_are_read(folder: Path) -> None:
    """field_faults 11: pycocotools reads them too."""
    made = content()
    for annotation in made["annotations"]:
        annotation["image_id"] = float(annotation["image_id"])
        annotation["category_id"] = float(annotation["category_id"])
    made["images"][0]["id"] = 11.0
    write(folder, made)
    assert scan(folder).findings == ()
    dataset = read(folder)
    assert list(dataset.original_ids) == [11, 12, 13]
    assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_ids_written_as_texts_are_mended(folder: Path) -> None:
    made = content()
    for annotation in made["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
    write(folder, made)
    assert scan(folder).errors == 6
    assert fixed(folder).first.tolist() == [0, 2, 4, 6]


def test_a_size_written_without_the_turn_of_a_phone_is_mended(folder: Path) -> None:
    """field_faults 11: boxes are kept, and lie in the upright image."""
    picture(folder / "images" / "b.png", 1, orientation=6)
    made = content()
    made["annotations"][2]["bbox"] = [5, 20, 10, 18]  # beyond 30 pixels of height
    write(folder, made)
    dataset = fixed(folder)
    assert dataset.sizes.tolist() == [[30, 40], [40, 30], [30, 40]]
    assert dataset.boxes[2].tolist() == [5, 20, 10, 18]


def test_boxes_drawn_on_the_stored_picture_are_not_taken_for_upright(folder: Path) -> None:
    for name, seed in (("a.png", 0), ("b.png", 1)):
        picture(folder / "images" / name, seed, orientation=6)
    made = content()
    made["annotations"][2]["bbox"] = [5, 2, 33, 18]  # beyond the upright width of 30
    write(folder, made)
    assert list(fixed(folder).original_ids) == [13]


@pytest.mark.parametrize("name", ["cat\r", " cat", "cat\n"])
def test_blanks_around_a_name_are_no_part_of_it(folder: Path, name: str) -> None:
    """field_faults 6 and 8."""
    changed(folder, "categories", name=name)
    report = scan(folder)
    assert [finding.kind for finding in report.findings] == ["blanks in a name"]
    assert repr(name) in report.findings[0].rule
    assert read(folder).label_map.names == ("cat", "dog")
    assert repr(name) in read(folder).warnings[0]


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\tb", "\u200bcat"])
def test_a_name_that_cannot_be_shown_is_refused_by_both(folder: Path, name: str) -> None:
    changed(folder, "categories", name=name)
    assert scan(folder).errors == 1
    with pytest.raises(UserError, match="one line of characters that can be shown"):
        read(folder)


def test_a_name_of_two_lines_is_mended(folder: Path) -> None:
    changed(folder, "categories", name="tabby\ncat")
    assert fixed(folder).label_map.names == ("tabby cat", "dog")


@pytest.mark.parametrize(
    ("height", "width"), [(1_000_000, 1_000_000), (48_000, 64_000), (13_400, 13_400)]
)
def test_a_size_that_cannot_be_decoded_is_refused_before_a_mask_is(
    folder: Path, height: int, width: int
) -> None:
    """fault_campaign 16: a mask of such a size was a crash, or took gigabytes."""
    made = content()
    made["images"][0].update(height=height, width=width)
    made["annotations"][0].update(segmentation=[[1, 1, 9, 1, 9, 9]], area=0)
    write(folder, made)
    (error,) = [finding for finding in scan(folder).findings if finding.severity == "error"]
    assert (error.kind, error.record) == ("malformed record", "image 11")
    with pytest.raises(UserError, match=r"178956970\s+pixels, got .* in image 11"):
        read(folder)


@pytest.mark.parametrize("crowd", [False, True])
def test_nothing_to_train_on_is_an_error_of_the_training_split(folder: Path, crowd: bool) -> None:
    """fault_campaign 29."""
    made = content()
    made["annotations"] = [{**one, "iscrowd": 1} for one in made["annotations"]] if crowd else []
    write(folder, made)
    errors = [one.kind for one in scan(folder).findings if one.severity == "error"]
    assert errors == ["nothing to train on"]
    assert scan(folder, keep_empty=True).errors == 0
    with pytest.raises(UserError, match="at least one image with an object that is not a crowd"):
        usable_images(read(folder), keep_empty=False)


def test_a_bad_mask_is_an_error_where_masks_are_needed(folder: Path) -> None:
    """fault_campaign 25: it ended a training in its middle."""
    changed(folder, "annotations", segmentation={"size": [30, 40], "counts": "zz"})
    assert scan(folder).errors == 0
    assert scan(folder, needs_masks=True).errors == 1
    with pytest.raises(UserError, match=r"gt\.json: run lengths must be .* in annotation 110"):
        read_coco(folder / "gt.json", folder / "images", check_masks=True)


def both(folder: Path, names: tuple[str, str]) -> CheckReport:
    """The check of a training split with cat and dog, and a validation split with these names."""
    write(folder, content())
    made: Content = content()
    for record, name in zip(made["categories"], names, strict=True):
        record["name"] = name
    (folder / "train.json").write_text((folder / "gt.json").read_text())
    write(folder, made)
    splits = [
        Split("train", folder / "images", folder / "train.json"),
        Split("val", folder / "images", folder / "gt.json"),
    ]
    return check(splits, exif="apply", grid=AnchorGrid())


def test_names_that_differ_in_case_between_the_splits_are_refused(folder: Path) -> None:
    """field_faults 8."""
    (error,) = [one for one in both(folder, ("Cat", "Dog")).findings if one.severity == "error"]
    assert error.file == str(folder / "gt.json")
    assert f"as in {folder / 'train.json'}, got 'Cat'; did you mean 'cat'" in error.rule
    with pytest.raises(UserError, match="did you mean 'cat'"):
        read_coco(folder / "gt.json", label_map=LabelMap((1, 2), ("cat", "dog")))


def test_a_class_of_one_split_alone_is_told(folder: Path) -> None:
    report = both(folder, ("cat", "horse"))
    told = [one.rule for one in report.findings if one.kind == "other classes"]
    assert len(told) == 2
    train = folder / "train.json"
    assert f"1 classes of {train} are not categories here: 'dog'" in told[0]
    assert f"1 categories are not classes of {train}: 'horse'" in told[1]
    assert report.errors == 0


def test_a_trailing_blank_in_one_split_changes_no_class(folder: Path) -> None:
    report = both(folder, ("cat ", "dog"))
    assert "other classes" not in {one.kind for one in report.findings}


def test_more_objects_than_are_scored_are_told(folder: Path) -> None:
    """field_faults 16."""
    made = content()
    first = made["annotations"][0]
    made["annotations"] = [{**first, "id": n, "bbox": [n % 30, n % 9, 5, 5]} for n in range(101)]
    write(folder, made)
    told = [one for one in scan(folder).findings if one.kind == "many objects"]
    assert [(one.severity, one.record) for one in told] == [("warning", "image 11")]
    assert "1 images have more, the most is 101" in told[0].rule


def test_what_only_the_user_can_mend_is_not_written(folder: Path) -> None:
    changed(folder, "categories", name="\ud800")
    said = write_fixed(scan(folder), folder / "fixed.json")
    assert "not written" in said
    assert [path.name for path in folder.glob("*fixed*")] == []
