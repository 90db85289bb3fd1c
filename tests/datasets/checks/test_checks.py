"""Every kind of defect, planted alone, is named with file and record, and fixed where it can be."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import Tools
from PIL import Image
from planted_defects import (
    FILES,
    NOT_FIXABLE,
    RECORDS,
    content,
    make_images,
    picture,
    plant,
    write,
)

from resnet_backbones.errors import UserError
from tasks.datasets.checks import coco_file
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.coco.dataset import read_coco
from tasks.datasets.convert.voc import read_voc
from tasks.datasets.convert.writing import write_coco
from tasks.datasets.findings import only_errors

CHECK = "tools/check_data.py"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    return tmp_path


def scan(folder: Path, file: str = "gt.json") -> CheckReport:
    split = Split("data", folder / "images", folder / file)
    return check([split], exif="apply", grid=AnchorGrid())


def test_a_sound_data_set_has_no_findings(folder: Path) -> None:
    write(folder, content())
    report = scan(folder)
    assert report.findings == ()
    assert report.text(10).splitlines()[0] == "no problems found"
    assert report.text(10).splitlines()[-1] == "no errors, 0 warnings"


@pytest.mark.parametrize("defect", RECORDS)
def test_a_defect_of_a_record_is_named_with_file_and_record(folder: Path, defect: str) -> None:
    planted = plant(folder, defect)
    named = [finding for finding in scan(folder).findings if finding.kind == planted.kind]
    named = [finding for finding in named if planted.record in finding.record]
    assert {finding.severity for finding in named} == {planted.severity}
    assert {finding.file for finding in named} == {str(folder / "gt.json")}
    assert planted.words in named[0].rule


@pytest.mark.parametrize("defect", FILES)
def test_a_defect_of_an_image_file_is_named(folder: Path, defect: str) -> None:
    planted = plant(folder, defect)
    (named,) = [finding for finding in scan(folder).findings if finding.kind == planted.kind]
    assert named.severity == planted.severity
    assert named.file == str(folder / "images" / "b.png")
    assert named.record == planted.record
    assert planted.words in named.sentence


@pytest.mark.parametrize("defect", [*RECORDS, *FILES])
def test_a_fixed_file_has_no_errors_and_can_be_read(folder: Path, defect: str) -> None:
    plant(folder, defect)
    write_fixed(scan(folder), folder / "fixed.json")
    assert scan(folder, "fixed.json").errors == 0
    assert read_coco(folder / "fixed.json", folder / "images", check_sizes=True).boxes.size > 0


@pytest.mark.parametrize("defect", [*RECORDS, *FILES])
def test_what_is_fixed_is_what_the_finding_calls_fixable(folder: Path, defect: str) -> None:
    kind = plant(folder, defect).kind
    before = [finding for finding in scan(folder).findings if finding.kind == kind]
    assert {finding.fixable for finding in before} == {kind not in NOT_FIXABLE}
    write_fixed(scan(folder), folder / "fixed.json")
    after = scan(folder, "fixed.json").findings
    assert not any(finding.fixable for finding in after)
    assert (kind in {finding.kind for finding in after}) == (kind in NOT_FIXABLE)


@pytest.mark.parametrize("defect", [*RECORDS, *FILES])
def test_a_way_out_is_a_part_of_a_sentence(folder: Path, defect: str) -> None:
    plant(folder, defect)
    for finding in scan(folder).findings:
        assert finding.way_out == finding.way_out.strip(" .;")
        assert finding.way_out[0].islower()
        assert finding.sentence == f"{finding.rule}; {finding.way_out}"


def test_all_defects_are_named_in_one_pass(folder: Path) -> None:
    made = content()
    changes = ({"image_id": 77}, {"category_id": 9}, {"bbox": [50, 2, 5, 5]}, {"bbox": "x"})
    for index, change in enumerate(changes):
        made["annotations"][index].update(change)
    write(folder, made)
    (folder / "images" / "c.png").unlink()
    errors = only_errors(scan(folder).findings)
    assert sorted(finding.kind for finding in errors) == [
        "malformed record",
        "missing image",
        "unknown category",
        "unknown image",
    ]


def test_a_file_that_no_record_names_and_an_image_without_objects_are_warnings(
    folder: Path,
) -> None:
    made = content()
    made["annotations"] = made["annotations"][:4]
    write(folder, made)
    picture(folder / "images" / "left.png", 9)
    named = set()
    for finding in scan(folder).findings:
        named.add((finding.kind, finding.severity, Path(finding.file).name, finding.record))
    assert ("unlisted image", "warning", "left.png", "left.png") in named
    assert ("image without objects", "warning", "gt.json", "image 13") in named


def test_a_category_that_only_validation_lacks_is_a_note(folder: Path) -> None:
    made = content()
    made["categories"].append({"id": 7, "name": "yak"})
    write(folder, made)
    findings = {}
    notes = {}
    for name in ("train", "val"):
        report = check(
            [Split(name, folder / "images", folder / "gt.json")], exif="apply", grid=AnchorGrid()
        )
        findings[name] = [finding.kind for finding in report.findings]
        notes[name] = [line for line in report.splits[0].contents if line.startswith("note")]
    assert findings == {"train": ["unused category"], "val": []}
    note = "note: 1 of 3 categories have no object here, so their AP cannot be scored"
    assert notes == {"train": [], "val": [note]}


def test_what_becomes_of_an_image_without_objects_depends_on_the_split(folder: Path) -> None:
    made = content()
    made["annotations"] = made["annotations"][:4]
    write(folder, made)
    ways_out = {}
    for name in ("train", "val"):
        split = Split(name, folder / "images", folder / "gt.json")
        report = check([split], exif="apply", grid=AnchorGrid())
        (finding,) = report.findings
        ways_out[name] = finding.way_out
    assert "training leaves it out" in ways_out["train"]
    assert "every detection in it counts as wrong" in ways_out["val"]


def test_a_duplicate_key_is_named_and_fixed(folder: Path) -> None:
    text = json.dumps(content()).replace('"id": 111,', '"id": 111, "bbox": [0, 0, 1, 1],')
    (folder / "gt.json").write_text(text)
    report = scan(folder)
    (finding,) = [finding for finding in report.findings if finding.kind == "repeated key"]
    assert (finding.severity, finding.record) == ("warning", "the record with id 111")
    assert finding.fixable
    assert "1 repeated keys left out" in write_fixed(report, folder / "fixed.json")
    assert scan(folder, "fixed.json").findings == ()


def test_a_category_name_with_half_a_character_is_an_error_that_only_its_user_can_fix(
    folder: Path,
) -> None:
    made = content()
    made["categories"][0]["name"] = "cat\ud800"
    write(folder, made)
    (finding,) = scan(folder).findings
    assert (finding.kind, finding.record) == ("malformed record", "category 1")
    assert not finding.fixable


def test_what_only_the_training_reader_refuses_is_a_finding_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UserError("a rule of no check")

    monkeypatch.setattr(coco_file, "read_coco", refuse)
    write(folder, content())
    (finding,) = scan(folder).findings
    assert (finding.kind, finding.rule) == ("refused by training", "a rule of no check")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"images": []}', "[" * 100_000])
def test_a_file_that_is_no_coco_file_is_one_error(folder: Path, text: str) -> None:
    (folder / "gt.json").write_text(text)
    report = scan(folder)
    (finding,) = report.findings
    assert finding.kind == "unreadable annotations"
    assert str(folder / "gt.json") in finding.rule
    with pytest.raises(UserError, match=r"gt\.json"):
        write_fixed(report, folder / "fixed.json")


@pytest.fixture
def two_splits(folder: Path) -> Path:
    """Train and val in COCO's layout; val's image e.png has the pixels of train's b.png under
    another format.
    """
    root = folder / "data"
    for split in ("train", "val"):
        shutil.copytree(folder / "images", root / split)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content()))
    for seed, name in ((3, "a.png"), (4, "c.png")):
        picture(root / "val" / name, seed)
    Image.open(root / "val" / "b.png").save(root / "val" / "e.bmp")
    (root / "val" / "b.png").unlink()
    (root / "annotations" / "instances_val.json").write_text(
        json.dumps(content(("a.png", "e.bmp", "c.png")))
    )
    return root


def test_an_image_in_both_splits_is_a_leak_and_leaves_the_training_split(
    tools: Tools, two_splits: Path
) -> None:
    answer = tools(CHECK, two_splits, "--fix", two_splits / "fixed.json")
    assert answer.status == 0, "training takes it"
    leak = f"{two_splits / 'train' / 'b.png'}: image 12: the pixels are those of"
    assert f"warning: {leak}" in answer.output
    files = [
        f"data.{split}.annotations={two_splits / f'fixed_{split}.json'}"
        for split in ("train", "val")
    ]
    again = tools(CHECK, f"data.root={two_splits}", *files)
    assert leak not in again.output


def test_the_tool_takes_a_folder_a_pair_and_settings(tools: Tools, shapes: Path) -> None:
    files = (
        f"data.train.images={shapes / 'train'}",
        f"data.train.annotations={shapes / 'annotations/instances_train.json'}",
    )
    for arguments in ((shapes,), (files[0].split("=")[1], files[1].split("=")[1]), files):
        answer = tools(CHECK, *arguments)
        assert answer.status == 0, answer.output + answer.error
        assert "24 images" in answer.output
        assert "no errors" in answer.output


@pytest.mark.parametrize("argument", ["nowhere", "data.root=nowhere", "data.rot=x", "a b"])
def test_what_cannot_be_found_is_told_without_a_traceback(tools: Tools, argument: str) -> None:
    answer = tools(CHECK, *argument.split(" "))
    assert answer.status == 2
    assert "error: " in answer.error
    assert "Traceback" not in answer.error


def test_the_page_shows_what_was_found_and_needs_no_other_file(tools: Tools, folder: Path) -> None:
    made = content()
    made["annotations"][1]["bbox"] = [50, 2, 5, 5]
    made["categories"][0]["name"] = "<cat>\ud800"
    write(folder, made)
    answer = tools(CHECK, folder / "images", folder / "gt.json", "--html", folder / "out.html")
    page = (folder / "out.html").read_text()
    assert answer.status == 1
    assert 'src="data:image/jpeg;base64,' in page
    assert "annotation 111" in page
    assert "<cat>" not in page
    assert "http" not in page


@pytest.mark.parametrize("split", ["train", "val"])
def test_coco_gives_no_errors(coco200: Path, split: str) -> None:
    names = coco200 / "images" / split, coco200 / "annotations" / f"instances_{split}.json"
    report = check([Split(split, *names)], exif="apply", grid=AnchorGrid())
    assert only_errors(report.findings) == []
    assert {finding.kind for finding in report.findings} <= {
        "crowd",
        "unused category",
        "image without objects",
    }


def test_bccd_gives_no_errors(bccd: Path, tmp_path: Path) -> None:
    splits = []
    for name, part in (("train", "trainval"), ("val", "test")):
        write_coco(read_voc(bccd, split=part), tmp_path / f"{name}.json")
        splits.append(Split(name, bccd / "JPEGImages", tmp_path / f"{name}.json"))
    report = check(splits, exif="apply", grid=AnchorGrid())
    assert only_errors(report.findings) == []


def test_more_objects_than_coco_scores_are_a_warning(folder: Path) -> None:
    """field_faults 16."""
    made = content()
    first = made["annotations"][0]
    made["annotations"] += [
        {**first, "id": 9000 + i, "bbox": [i / 9, 1, 9, 9], "area": 81} for i in range(101)
    ]
    write(folder, made)
    found = [one for one in scan(folder).findings if one.kind == "crowded image"]
    assert [one.severity for one in found] == ["warning"]
    assert "COCO scores 100 detections of a category and image" in found[0].sentence
