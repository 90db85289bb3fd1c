"""Annotation files damaged in 200 ways: each is refused by name, or can be used and scored."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as masks

from resnet_backbones.errors import UserError
from tasks.datasets.checks.anchors import AnchorGrid
from tasks.datasets.checks.check import Split, check
from tasks.datasets.checks.fix import write_fixed
from tasks.datasets.checks.report import CheckReport
from tasks.datasets.coco.dataset import CocoDataset
from tasks.detection.config import DataConfig
from tasks.detection.data.batches import TrainBatches, ValBatches
from tasks.detection.data.read_splits import read_split
from tasks.report.checks.page import write_page
from tasks.scoring.evaluation import write_evaluation
from tasks.scoring.instances import final_scores
from tasks.scoring.results import DetectionResults
from tasks.vision.settings import SplitConfig

Result = TypeVar("Result")
Node = dict[str, Any] | list[Any]
DEEP: list[Any] = []
for _ in range(200):
    DEEP = [DEEP]
NASTY: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2.5,
    1e300,
    -1e300,
    1e9,
    10**400,
    -(10**30),
    2**31,
    2**63,
    1e-320,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "x",
    "1",
    "nan",
    "11",
    "\ud800",
    "\x00",
    "../..",
    "é" * 300,
    "1234",
    [],
    {},
    [[]],
    [None],
    [1],
    [1, 2, 3],
    ["a", "b", "c", "d"],
    [[1, 2], [3, 4]],
    [float("nan")] * 4,
    [1e200] * 4,
    DEEP,
    {"size": [30, 40], "counts": [1]},
    {"size": 3, "counts": "zz"},
    {"size": [30, 40], "counts": None},
    {"id": 1},
    [[1e30] * 6],
    [["a"] * 6],
    [[None] * 8],
    [[0, 0, 1e8, 1e8, 0, 1e8]],
    [{"x": 1}],
    [[1, 2, 3, 4, 5, 6, 7]],
)


def sound() -> dict[str, Any]:
    """Three images of 40x30 pixels with boxes, a polygon, run lengths of both kinds and a crowd."""
    mask = np.zeros((30, 40), dtype=np.uint8, order="F")
    mask[4:10, 5:16] = 1
    packed = masks.encode(mask)
    plain = {"size": [30, 40], "counts": [154, 6, 1040]}
    shapes: tuple[dict[str, Any], ...] = (
        {"bbox": [2, 3, 20, 10], "area": 150.5, "iscrowd": 0},
        {"segmentation": [[2, 2, 12, 2, 12, 9]]},
        {
            "bbox": [5, 4, 11, 6],
            "segmentation": {"size": [30, 40], "counts": packed["counts"].decode()},
        },
        {"segmentation": plain, "iscrowd": 1},
    )
    images = [
        {"id": number, "file_name": f"{number}.png", "width": 40, "height": 30}
        for number in (11, 12, 13)
    ]
    annotations = [
        {"id": 10 * image + index, "image_id": image, "category_id": 1 + index % 2, **shape}
        for image in (11, 12)
        for index, shape in enumerate(shapes)
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog", "supercategory": "pet"}]
    return {
        "info": {"year": 2026},
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def nodes(node: Any) -> Iterator[Node]:
    """Every object and list in a JSON value."""
    if isinstance(node, dict | list):
        yield node
        for below in node.values() if isinstance(node, dict) else node:
            yield from nodes(below)


def damage_values(made: dict[str, Any], chance: Random) -> None:
    """Replace, remove, repeat or add something, at 1 to 3 places."""
    for _ in range(chance.randint(1, 3)):
        node = chance.choice([node for node in nodes(made) if node])
        key: Any = (
            chance.choice(list(node)) if isinstance(node, dict) else chance.randrange(len(node))
        )
        action = chance.choice(("replace", "replace", "replace", "remove", "repeat", "exchange"))
        if action == "replace":
            node[key] = chance.choice(NASTY)
        elif action == "remove":
            del node[key]
        elif action == "repeat" and isinstance(node, list):
            node.insert(key, node[chance.randrange(len(node))])
        else:
            source = chance.choice([node for node in nodes(made) if node])
            node[key] = json.loads(
                json.dumps(
                    chance.choice(list(source.values() if isinstance(source, dict) else source))
                )
            )


def damage_text(text: str, chance: Random) -> bytes:
    """The text cut off, in another encoding, with bytes changed, keys twice, or nested too deep."""
    data = text.encode()
    middle = chance.randrange(len(data))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: data[:middle],
        lambda: text.replace("cat", "c\u00e4t").encode(
            chance.choice(("latin-1", "utf-16", "utf-16-le", "utf-32", "utf-8-sig"))
        ),
        lambda: data[:middle] + bytes([chance.randrange(256)]) + data[middle + 1 :],
        lambda: data.replace(b'"bbox"', b'"bbox": 1, "bbox"').replace(
            b'"id": 12', b'"id": 11, "id": 12'
        ),
        lambda: data[:-1] + b', "annotations": []}',
        lambda: data[:-1] + b', "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        lambda: data.replace(b"150.5", b"1" * 5000),
        lambda: data.replace(b"20", b"1e999"),
        lambda: data + b"\x00",
        lambda: b"\xff\xfe" + data,
    )
    return chance.choice(ways)()


def damaged(seed: int) -> bytes:
    """A damaged annotation file, of its values or of its text."""
    chance, made = Random(seed), sound()
    if seed % 4 == 0:
        return damage_text(json.dumps(made), chance)
    damage_values(made, chance)
    return json.dumps(made).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("malformed")
    (root / "images").mkdir()
    for number in (11, 12, 13):
        Image.fromarray(np.full((30, 40, 3), number, dtype=np.uint8)).save(
            root / "images" / f"{number}.png"
        )
    (root / "sound.json").write_text(json.dumps(sound()))
    return root


def settings(folder: Path) -> DataConfig:
    train = SplitConfig(images=str(folder / "images"), annotations=str(folder / "sound.json"))
    val = SplitConfig(images=str(folder / "images"), annotations=str(folder / "damaged.json"))
    return DataConfig(train=train, val=val, batch_size=2, short_edge=(32,), long_edge=64, workers=0)


def use(dataset: CocoDataset, config: DataConfig, folder: Path) -> None:
    """All that training and scoring do with a data set: batches of both kinds, and the truth scored
    as detections.
    """
    for batch in ValBatches(dataset, config):
        assert bool(batch.boxes.isfinite().all())
    detections = DetectionResults(
        np.repeat(dataset.image_ids, np.diff(dataset.first)),
        dataset.boxes,
        np.ones(len(dataset.boxes)),
        dataset.labels,
    )
    write_evaluation(folder / "evaluation.json", final_scores(dataset, detections), {})
    train = TrainBatches(dataset, config)
    for _, batch in zip(range(2), train.start(0), strict=False):
        assert bool(batch.boxes.isfinite().all())


def attempt(call: Callable[[], Result]) -> tuple[Result | None, str]:
    """What a call returns, or the text of its UserError; any other exception is a failure of the
    test.
    """
    try:
        return call(), ""
    except UserError as refused:
        return None, str(refused)


def scan(folder: Path, name: str) -> CheckReport:
    return check([Split("val", folder / "images", folder / name)], exif="apply", grid=AnchorGrid())


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_file_is_refused_by_name_or_can_be_used(folder: Path, seed: int) -> None:
    (folder / "damaged.json").write_bytes(damaged(seed))
    config = settings(folder)
    for label_map in (None, read_split(config, "train").label_map):
        dataset, refused = attempt(partial(read_split, config, "val", label_map=label_map))
        if dataset is None:
            assert str(folder / "damaged.json") in refused
        else:
            _, refused = attempt(partial(use, dataset, config, folder))
            assert not refused or "training needs at least one image with an object" in refused


@pytest.mark.parametrize("seed", range(200))
def test_whatever_is_refused_was_found_by_the_check(folder: Path, seed: int) -> None:
    (folder / "damaged.json").write_bytes(damaged(seed))
    report = scan(folder, "damaged.json")
    _, refused = attempt(partial(read_split, settings(folder), "val"))
    assert not refused or report.errors > 0, refused
    write_page(report, folder / "page.html", "apply")


@pytest.mark.parametrize("seed", range(0, 200, 2))
def test_what_can_be_read_can_be_fixed(folder: Path, seed: int) -> None:
    (folder / "damaged.json").write_bytes(damaged(seed))
    done, refused = attempt(
        partial(write_fixed, scan(folder, "damaged.json"), folder / "fixed.json")
    )
    if done is None:
        assert str(folder / "damaged.json") in refused
    else:
        assert scan(folder, "fixed.json").errors == 0 or "not fixed: empty list" in done
