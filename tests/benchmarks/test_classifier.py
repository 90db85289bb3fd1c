"""The classifier's benchmark on tiny inputs: it compares before it times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from benchmarks import cifar, cifar_training, crops
from tasks.engine import precision

if TYPE_CHECKING:
    from command_line import Answer, Tools

Run = Callable[..., "Answer"]


@pytest.fixture
def run(tools: Tools, shapes: Path, tmp_path: Path) -> Run:
    """Runs a tiny version, with more arguments where given."""
    images = ("--images", shapes / "val", "--count", 3)
    tiny = (*images, "--batch", 8, "--steps", 1, "--rounds", 1, "--threads", 1, "--out", tmp_path)
    return lambda: tools("tools/benchmark.py", "classifier", *tiny)


def test_all_parts_are_measured_and_written(run: Run, tmp_path: Path) -> None:
    answer = run()
    assert answer.status == 0, answer.error
    written = json.loads((tmp_path / "classifier.json").read_text())
    training, augmentation, cropped = (set(part["seconds"]) for part in written["timings"])
    has_bf16 = bool(precision.cpu_flags() & precision.BF16_FLAGS)
    ours = {"ours fp32", "ours bf16"} if has_bf16 else {"ours fp32"}
    assert training == ours | {"torch fp32, 0 workers", "torch fp32, 2 workers"}
    assert augmentation == {"torchvision", "ours"}
    assert cropped == {"torchvision, PIL", "timm", "ours", "ours, then normalised"}


def test_the_faster_loader_is_the_peer(run: Run, tmp_path: Path) -> None:
    run()
    training = json.loads((tmp_path / "classifier.json").read_text())["timings"][0]
    peers = {name: values for name, values in training["seconds"].items() if "torch" in name}
    assert training["goals"][0]["base"] == min(peers, key=lambda name: peers[name][0])


def assert_refused(answer: Answer, folder: Path, difference: str) -> None:
    """Status 1, the difference named, and nothing written."""
    assert (answer.status, difference in answer.error) == (1, True), answer.error
    assert list(folder.glob("*.json")) == []


def test_a_network_with_other_weights_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = cifar_training.our_network

    def perturbed(images: cifar.Cifar) -> Any:
        network = right(images)
        with torch.no_grad():
            network.get_parameter("head.fc.weight").mul_(1.01)
        return network

    monkeypatch.setattr(cifar_training, "our_network", perturbed)
    assert_refused(run(), tmp_path, "the same batch and weights in fp32: loss")


def test_a_border_of_another_colour_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar.Cifar, "colour", (0, 0, 0))
    assert_refused(run(), tmp_path, "equal to the last bit, given the same draws")


def test_a_crop_that_is_flipped_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = crops.torchvision_crops
    monkeypatch.setattr(
        crops, "torchvision_crops", lambda *given: (image.flip(-1) for image in right(*given))
    )
    assert_refused(run(), tmp_path, "ours differs by")


def test_every_photo_is_shown_once_in_each_round(tmp_path: Path) -> None:
    for number in range(crops.BATCH + 3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    photos = crops.find_photos(tmp_path, 100)
    for number in range(2):
        shown = [place for plan in photos.plans(number) for place in plan.places.tolist()]
        assert sorted(shown) == list(range(crops.BATCH + 3))


def test_each_round_shows_other_windows(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "only.png")
    photos = crops.find_photos(tmp_path, 1)
    first, second = (photos.plans(number)[0].keys.tolist() for number in range(2))
    assert first != second
