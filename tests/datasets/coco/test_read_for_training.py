"""Training's reader: as fast as `read_coco` on sound data, refusing by the check's findings."""

from pathlib import Path

import pytest
from planted_defects import FILES, RECORDS, Content, content, make_images, plant, write

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.coco import read_for_training as module
from tasks.datasets.coco.categories import OtherClassesError
from tasks.datasets.coco.dataset import CocoDataset, read_coco
from tasks.datasets.coco.read_for_training import find_errors, read_for_training
from tasks.datasets.findings import Finding, only_errors, refusal
from tasks.detection.config import DataConfig
from tasks.detection.data.read_splits import read_split
from tasks.labels import LabelMap
from tasks.vision.settings import SplitConfig

REFUSED = (  # of the planted defects, those that training cannot take
    "same image id",
    "image without id",
    "image without name",
    "size in words",
    "image is a text",
    "same category id",
    "same file",
    "crowd in words",
    "category is null",
    "unknown image",
    "image id as text",
    "unknown category",
    "three numbers",
    "no box",
    "annotation is a list",
    "missing",
    "cut off",
    "no image",
    "other size",
    "turned",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_images(tmp_path)
    return tmp_path


def read(folder: Path, *, label_map: LabelMap | None = None) -> CocoDataset:
    return read_for_training(
        folder / "gt.json", folder / "images", label_map=label_map, check_sizes=True
    )


def errors_of_the_check(folder: Path) -> list[Finding]:
    split = Split("train", folder / "images", folder / "gt.json")
    return only_errors(check([split], exif="apply", grid=AnchorGrid()).findings)


@pytest.mark.parametrize("defect", REFUSED)
def test_what_training_refuses_are_the_findings_of_the_check(folder: Path, defect: str) -> None:
    plant(folder, defect)
    errors = errors_of_the_check(folder)
    own = find_errors(folder / "gt.json", folder / "images", check_sizes=True, exif="apply")
    assert own == errors
    with pytest.raises(UserError) as refused:
        read(folder)
    assert str(refused.value) == str(refusal(errors, folder / "gt.json"))


@pytest.mark.parametrize("defect", sorted((RECORDS.keys() | FILES.keys()) - set(REFUSED)))
def test_what_training_can_take_is_read(folder: Path, defect: str) -> None:
    plant(folder, defect)
    assert len(read(folder)) > 0


def test_five_defects_are_refused_by_the_first_three_and_their_number(folder: Path) -> None:
    plant(folder, "category is null", "unknown image", "annotation is a list", "other size")
    made = content()
    made["categories"].append(None)
    made["annotations"][1]["image_id"] = 77
    made["annotations"][2]["bbox"] = "x"
    made["annotations"].append([1])
    write(folder, made)
    with pytest.raises(UserError) as refused:
        read(folder)
    lines = str(refused.value).splitlines()
    assert lines[0] == (
        f"{folder / 'gt.json'}: annotations and images must be free of errors, found 5:"
    )
    assert [line.split(":")[0].strip() for line in lines[1:4]] == [
        "category at place 2",
        "annotation 111",
        "annotation 120",
    ]
    assert lines[4:] == [
        "  … and 2 more.",
        "`backbones check` lists every error; with --fix OUT.json it writes a corrected file",
    ]


def listed(folder: Path) -> list[str]:
    """The lines of a refusal that name findings."""
    with pytest.raises(UserError) as refused:
        read(folder)
    return [line.strip() for line in str(refused.value).splitlines() if line.startswith("  ")]


def with_four_repeated_ids() -> Content:
    """Defects that training takes."""
    made = content()
    for annotation in made["annotations"][1:5]:
        annotation["id"] = 110
    return made


def test_what_training_takes_is_not_told(folder: Path) -> None:
    made = with_four_repeated_ids()
    made["annotations"][0]["bbox"] = [50, 2, 5, 5]  # outside its image
    write(folder, made)
    (folder / "images" / "b.png").unlink()
    (line,) = listed(folder)
    assert line.startswith(f"{folder / 'images' / 'b.png'}: image 12: image file ")


def test_what_the_reader_stops_at_comes_first_of_all_that_it_would_stop_at(folder: Path) -> None:
    """The reader looks at images by their ids, the check by their places, objects before files."""
    made = content(("a.png", "b.png", "c.png"))
    made["images"] += [{**made["images"][2], "file_name": "b.png"}]
    made["images"] += [{**made["images"][0], "file_name": "c.png"}]
    made["annotations"][5]["image_id"] = 77
    write(folder, made)
    (folder / "images" / "b.png").unlink()
    lines = listed(folder)
    assert lines[0].startswith("image 11: image ids must be unique, ")
    assert lines[1].startswith("image 13: image ids must be unique, ")


def test_a_refusal_names_the_check_as_the_user_starts_it(folder: Path) -> None:
    plant(folder, "missing")
    config = DataConfig(
        train=SplitConfig(images=str(folder / "images"), annotations=str(folder / "gt.json"))
    )
    with pytest.raises(UserError, match=r"`tools/check_data\.py` lists every error"):
        read_split(config, "train", check_command="tools/check_data.py")


def test_several_missing_images_are_told(folder: Path) -> None:
    write(folder, content())
    for name in ("a.png", "b.png"):
        (folder / "images" / name).unlink()
    assert [line.split(":")[1].strip() for line in listed(folder)[:2]] == ["image 11", "image 12"]


def test_a_rule_of_no_check_is_told_before_the_findings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UserError("a rule of no check")

    monkeypatch.setattr(module, "read_coco", refuse)
    made = content()
    made["annotations"][1]["image_id"] = 77
    write(folder, made)
    assert listed(folder)[0] == "the file: a rule of no check; correct the file."
    assert listed(folder)[1].startswith("annotation 111: ")


@pytest.mark.parametrize("defect", sorted(RECORDS.keys() | FILES.keys()))
def test_an_error_is_what_training_refuses(folder: Path, defect: str) -> None:
    assert (plant(folder, defect).severity == "error") == (defect in REFUSED)


def test_a_file_that_cannot_be_read_is_refused_in_its_own_words(folder: Path) -> None:
    (folder / "gt.json").write_text("{")
    with pytest.raises(UserError) as expected:
        read_coco(folder / "gt.json")
    with pytest.raises(UserError) as refused:
        read(folder)
    assert str(refused.value) == str(expected.value)


def test_other_classes_are_refused_as_such_whatever_else_is_wrong(folder: Path) -> None:
    plant(folder, "outside")
    with pytest.raises(OtherClassesError, match="no category has a name of the label map"):
        read(folder, label_map=LabelMap((1,), ("horse",)))


def test_where_the_check_finds_nothing_the_readers_own_words_stand(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UserError("a rule of no check")

    monkeypatch.setattr(module, "read_coco", refuse)
    write(folder, content())
    with pytest.raises(UserError, match=r"^a rule of no check$"):
        read(folder)


def test_an_image_without_size_and_file_is_named_although_sizes_are_not_checked(
    folder: Path,
) -> None:
    made = content()
    del made["images"][1]["width"]
    write(folder, made)
    (folder / "images" / "b.png").unlink()
    (folder / "images" / "c.png").unlink()  # has a size in the annotations
    with pytest.raises(UserError, match=r"found 1:\n  .*b\.png: image 12: .*does not exist"):
        read_for_training(folder / "gt.json", folder / "images")


def test_sound_data_are_read_by_the_fast_reader_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "look_through", None)
    monkeypatch.setattr(module, "read_files", None)
    write(folder, content())
    dataset = read(folder)
    expected = read_coco(folder / "gt.json", folder / "images")
    assert dataset.boxes.tolist() == expected.boxes.tolist()
    assert dataset.label_map == expected.label_map
