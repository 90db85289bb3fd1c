"""Every defect of class images, planted alone, is named."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from class_pictures import picture, write_tree, write_zip

from resnet_backbones.errors import UserError
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.class_images.check import Demands, check_class_images, check_class_splits
from tasks.datasets.class_images.class_images import ClassImages, read_class_images
from tasks.datasets.findings import Finding
from tasks.labels import LabelMap
from tasks.report.checks.page import write_page

T = TypeVar("T")
NAMES = [f"{name}/{number}.png" for name in ("cat", "dog") for number in range(6)]


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "train", NAMES)


def findings_of(path: Path) -> list[Finding]:
    return list(check_class_images(read_class_images(path, "train"), "apply"))


def only(findings: Iterable[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_sound_set_has_no_findings(train: Path) -> None:
    assert findings_of(train) == []


def test_an_unreadable_image_is_an_error(train: Path) -> None:
    (train / "cat" / "3.png").write_bytes(b"<html>")
    finding = only(findings_of(train))
    assert (finding.kind, finding.severity) == ("unreadable image", "error")
    assert finding.file == str(train / "cat" / "3.png")
    assert finding.record == "class 'cat'"
    assert "not an image file" in finding.sentence


def test_an_unreadable_image_in_a_zip_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", NAMES)
    content = bytearray(path.read_bytes())
    at = content.index(picture("dog/2.png"))
    content[at : at + 8] = b"not PNG!"
    path.write_bytes(content)
    finding = only(findings_of(path))
    assert (finding.kind, finding.severity) == ("unreadable image", "error")
    assert finding.file == str(path)
    assert finding.record == "a.zip: dog/2.png, class 'dog'"
    assert finding.image is None


@pytest.mark.parametrize(("side", "found"), [(1, True), (7, True), (8, False)])
def test_a_tiny_image_is_a_warning(train: Path, side: int, found: bool) -> None:
    (train / "cat" / "3.png").write_bytes(picture("tiny", side))
    kinds = [(finding.kind, finding.severity) for finding in findings_of(train)]
    assert kinds == [("tiny image", "warning")] * found


def test_the_same_image_twice_is_a_warning_that_names_both(train: Path) -> None:
    (train / "dog" / "1.png").write_bytes(picture("cat/4.png"))
    finding = only(findings_of(train))
    assert (finding.kind, finding.severity) == ("duplicate image", "warning")
    assert finding.image == train / "dog" / "1.png"
    assert f"{train / 'cat' / '4.png'} of class 'cat'" in finding.rule


def test_a_class_with_few_images_is_a_warning(train: Path) -> None:
    write_tree(train, [f"owl/{number}.png" for number in range(4)])
    finding = only(findings_of(train))
    assert (finding.kind, finding.record) == ("few images", "class 'owl'")
    assert "5 images or more, got 4" in finding.rule


@pytest.mark.parametrize(("count", "found"), [(500, False), (501, True)])
def test_more_than_a_hundred_times_the_images_is_a_warning(
    tmp_path: Path, count: int, found: bool
) -> None:
    names = [f"cat/{n:04}.png" for n in range(count)] + [f"dog/{n}.png" for n in range(5)]
    findings = findings_of(write_tree(tmp_path, names))
    assert [finding.kind for finding in findings] == ["imbalance"] * found
    assert all("501 images of 'cat' and 5 of 'dog'" in finding.rule for finding in findings)


def splits_of(train: Path, val_names: list[str]) -> dict[str, ClassImages]:
    val = write_tree(train.parent / "val", val_names)
    first = read_class_images(train, "train")
    return {"train": first, "val": read_class_images(val, "val", first.label_map)}


def others(*classes: str) -> list[str]:
    return [f"{name}/v{number}.png" for name in classes for number in range(5)]


def test_a_training_image_that_is_scored_too_is_a_warning(train: Path) -> None:
    splits = splits_of(train, [*others("cat", "dog"), "dog/5.png"])
    finding = only(check_class_splits(splits, "apply").findings)
    assert (finding.kind, finding.severity) == ("leak", "warning")
    assert finding.file == str(train / "dog" / "5.png")
    assert str(train.parent / "val" / "dog" / "5.png") in finding.rule


def test_a_class_that_is_not_scored_is_a_note(train: Path) -> None:
    report = check_class_splits(splits_of(train, others("cat")), "apply")
    assert report.findings == ()
    note = "note: 1 of 2 classes have no image here, so their accuracy cannot be scored"
    assert [note in split.contents for split in report.splits] == [False, True]


def test_a_class_that_cannot_be_learnt_is_a_warning(train: Path) -> None:
    known = LabelMap(("cat", "dog", "yak"), ("cat", "dog", "yak"))
    images = read_class_images(train, "train", known)
    finding = only(check_class_splits({"train": images}, "apply").findings)
    assert (finding.kind, finding.severity, finding.record) == (
        "few images",
        "warning",
        "class 'yak'",
    )


def test_the_report_says_what_the_splits_hold(train: Path) -> None:
    text = check_class_splits(splits_of(train, others("cat", "dog")), "apply").text(10)
    assert text.splitlines()[0] == "no problems found"
    assert f"train: {train}\n  12 images, 2 classes\n  shorter side in pixels: 12 to 12," in text
    assert f"\n    {5:8}  dog\n" in text


def test_errors_come_first_and_the_page_shows_images(train: Path, tmp_path: Path) -> None:
    (train / "cat" / "0.png").write_bytes(picture("tiny", 7))
    (train / "cat" / "3.png").write_bytes(b"<html>")
    report = check_class_splits({"train": read_class_images(train, "train")}, "apply")
    assert [finding.severity for finding in report.findings] == ["error", "warning"]
    write_page(report, tmp_path / "check.html", "apply")
    assert (tmp_path / "check.html").read_text().count('alt="0.png, class') == 1


def test_class_images_cannot_be_fixed(train: Path, tmp_path: Path) -> None:
    report = check_class_splits({"train": read_class_images(train, "train")}, "apply")
    with pytest.raises(UserError, match="only annotations can be corrected"):
        write_fixed(report, tmp_path / "fixed.json")


def test_reading_can_be_followed(train: Path) -> None:
    seen = []

    def track(items: Iterator[T], text: str, total: int) -> Iterator[T]:
        for item in items:
            seen.append((text, total))
            yield item

    list(check_class_images(read_class_images(train, "train"), "apply", track=track))
    assert seen == [("reading images", 12)] * 12


def test_as_many_as_training_leaves_out_are_warnings(train: Path) -> None:
    """What the check passes, training takes, and the other way around."""
    file = next(train.rglob("*.png"))
    file.write_bytes(b"no image")
    images = {"train": read_class_images(train, "train")}
    few = {"train": Demands(unreadable=1.5 / len(images["train"]))}
    assert check_class_splits(images, "apply").errors == 1
    assert check_class_splits(images, "apply", demands=few).errors == 0


def test_an_image_that_the_settings_find_too_small_is_an_error(train: Path) -> None:
    images = {"train": read_class_images(train, "train")}
    demands = {"train": Demands(500, "augment.size=500 and augment.pad=0")}
    report = check_class_splits(images, "apply", demands=demands)
    assert {one.kind for one in report.findings if one.severity == "error"} == {"small image"}
    assert report.errors == len(images["train"])
