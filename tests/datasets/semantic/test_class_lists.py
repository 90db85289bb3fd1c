"""Lists of classes: the built-in ones by their published numbers, and those that people write."""

from pathlib import Path

import pytest
from masks import write_classes

from resnet_backbones.errors import UserError
from tasks.datasets.semantic.built_in import BUILT_IN, voc_colour
from tasks.datasets.semantic.class_files import find_classes, read_class_file
from tasks.datasets.semantic.classes import MaskClass


def by_value(name: str) -> dict[int, str]:
    classes = BUILT_IN[name].ignoring(())
    return {entry.value: entry.name for entry in classes.scored}


def test_names_in_yaml_are_the_texts_that_are_written(tmp_path: Path) -> None:
    """field_faults 12: YAML would make of these false, a number and a date."""
    (tmp_path / "classes.yaml").write_text("- no\n- 7\n- {name: 2024-01-01, value: '9'}\n")
    read = read_class_file(tmp_path / "classes.yaml")
    assert [(entry.name, entry.value) for entry in read.entries] == [
        ("no", 0),
        ("7", 1),
        ("2024-01-01", 9),
    ]


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("ade20k", 150, {1: "wall", 13: "person", 81: "bus", 150: "flag"}),
        ("camvid", 11, {0: "sky", 3: "road", 10: "bicyclist"}),
        ("cityscapes", 19, {7: "road", 11: "building", 26: "car", 33: "bicycle"}),
        ("cityscapes_train_ids", 19, {0: "road", 2: "building", 13: "car", 18: "bicycle"}),
        ("coco_stuff", 171, {0: "person", 12: "stop sign", 89: "toothbrush", 181: "wood"}),
        ("coco_stuff_pixelmaps", 92, {92: "banner", 182: "wood", 183: "other"}),
        ("voc", 21, {0: "background", 1: "aeroplane", 15: "person", 20: "tvmonitor"}),
    ],
)
def test_built_in_lists_have_the_published_values(
    name: str, count: int, some: dict[int, str]
) -> None:
    values = by_value(name)
    assert len(values) == count
    assert {value: values[value] for value in some} == some


def test_coco_things_are_those_of_the_panoptic_file(coco200: Path) -> None:
    from tasks.datasets.semantic.layout import SemanticSource
    from tasks.datasets.semantic.read import read_semantic

    source = SemanticSource(root=coco200, split="val", classes="things")
    things = read_semantic(source).label_map
    values = by_value("coco_stuff")
    assert [values[int(category) - 1] for category in things.category_ids] == list(things.names)


@pytest.mark.parametrize(
    ("value", "colour"),
    [(0, (0, 0, 0)), (1, (128, 0, 0)), (15, (192, 128, 128)), (255, (224, 224, 192))],
)
def test_voc_colours_are_those_of_its_development_kit(
    value: int, colour: tuple[int, int, int]
) -> None:
    assert voc_colour(value) == colour


def test_lines_are_values_from_zero(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "classes.txt", "sky", "tall tree")
    assert read_class_file(path).entries == (MaskClass("sky", 0), MaskClass("tall tree", 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "[sky, {name: road, value: 7, colour: [128, 64, 128]}]"),
        ("a.json", '["sky",\n\t{"name": "road", "value": 7, "colour": [128, 64, 128]}]'),
    ],
)
def test_entries_may_have_values_and_colours(tmp_path: Path, name: str, text: str) -> None:
    path = write_classes(tmp_path / name, text)
    expected = (MaskClass("sky", 0), MaskClass("road", 7, (128, 64, 128)))
    assert read_class_file(path).entries == expected


def test_labelmap_as_cvat_writes_it(tmp_path: Path) -> None:
    lines = ("# label:color_rgb:parts:actions", "background:0,0,0::", "cat:51,221,255::")
    path = write_classes(tmp_path / "labelmap.txt", *lines)
    expected = (MaskClass("background", 0, (0, 0, 0)), MaskClass("cat", 1, (51, 221, 255)))
    assert read_class_file(path).entries == expected


def test_the_file_in_the_root_is_taken(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "classes.txt", "sky")
    assert find_classes(None, tmp_path).source == str(path)


def test_without_a_list_it_is_said_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds none of classes\.txt.*or write one: one name a li"):
        find_classes(None, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "sky\n\nroad", r"a\.txt:2: every line is the class of a value, 1 here"),
        ("a.txt", "", r"must hold one, got none"),
        ("a.yaml", "sky: 1", "must be a list of classes, got dict"),
        ("a.yaml", "[a: b: c", "must be a YAML or JSON list"),
        ("a.yaml", "[sky, {name: road, color: [1, 2, 3]}]", "entry 1: a class must be a name, or"),
        ("a.yaml", "[{name: road, value: three}]", "entry 0: .*value .a whole number"),
        ("a.yaml", "[{name: road, colour: [1, 2, 256]}]", "a colour must be red, green and blue"),
        ("a.yaml", "[{name: a, value: 3}, {name: b, value: 3}]", "every value must be of one clas"),
        ("a.yaml", "[{name: a, value: -1}]", "values of masks are 0..65535, got -1"),
        ("labelmap.txt", "cat:1,2::", r"labelmap\.txt:1: a line must be name:red,green,blue::"),
    ],
)
def test_errors_name_file_and_entry(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = write_classes(tmp_path / name, text)
    with pytest.raises(UserError, match=message):
        read_class_file(path)


def test_an_unknown_list_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"ade20k, camvid.*or a file, got 'coco'"):
        find_classes("coco", Path())


def test_ignored_entries_are_no_classes() -> None:
    names = [entry.name for entry in BUILT_IN["camvid"].ignoring((0, 1)).scored]
    assert names[:2] == ["pole", "road"]


def test_255_is_a_class_where_the_list_has_it(tmp_path: Path) -> None:
    path = write_classes(tmp_path / "a.yaml", "[no, {name: yes it is, value: 255}]")
    path.write_text(path.read_text().replace("[no", "['no'"))
    assert [entry.value for entry in read_class_file(path).ignoring(()).scored] == [0, 255]


def test_a_list_without_a_class_is_refused(tmp_path: Path) -> None:
    classes = read_class_file(write_classes(tmp_path / "a.txt", "sky"))
    with pytest.raises(UserError, match=r"1\.\.255 classes must be left.*got 0"):
        classes.ignoring((0,))


def test_two_classes_of_one_colour_are_refused(tmp_path: Path) -> None:
    text = "[{name: a, colour: [1, 2, 3]}, {name: b, colour: [1, 2, 3]}]"
    classes = read_class_file(write_classes(tmp_path / "a.yaml", text))
    with pytest.raises(UserError, match=r"every colour must be of one class, got \(1, 2, 3\)"):
        classes.ignoring(())
