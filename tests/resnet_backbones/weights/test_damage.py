"""Single flipped bits in files of weights are noticed, or what is read is what was written
(fault_campaign A1).
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch

from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.files import Source, content_hash, read_file
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.saving import save_weights

FLIPS = 50
TENSORS = {"conv1.weight": torch.randn(8, 3, 7, 7), "fc.bias": torch.randn(1000)}


def flipped(path: Path, stop: int | None = None) -> Iterator[tuple[Path, str]]:
    """Copies of a file that differ in one bit, of its first `stop` bytes or of all."""
    whole = path.read_bytes()
    draw = random.Random(path.name)
    target = path.with_name(f"flipped{path.suffix}")
    for _ in range(FLIPS):
        content = bytearray(whole)
        place = draw.randrange(stop or len(whole))
        content[place] ^= 1 << draw.randrange(8)
        target.write_bytes(content)
        yield target, f"byte {place} of {len(whole)}"


def assert_noticed(path: Path, stop: int | None = None) -> int:
    """How many of the flips were noticed; of the others nothing that is read differs."""
    expected = told(read_file(path))
    refused: list[str] = []
    for file, where in flipped(path, stop):
        try:
            found = told(read_file(file))
        except UserError as error:
            refused.append(str(error))
        else:
            assert found == expected, where
    assert all("flipped" in text for text in refused)  # the file's name
    return len(refused)


def told(source: Source) -> tuple[str, Passport | None]:
    return content_hash(source.tensors), source.passport


@pytest.mark.parametrize("part", ["all", "header"])
def test_our_own_safetensors(tmp_path: Path, part: str) -> None:
    path = tmp_path / "weights.safetensors"
    backbone = create_backbone("resnet20")
    save_weights(path, TENSORS, backbone.passport)
    header = int.from_bytes(path.read_bytes()[:8], "little") + 8
    noticed = assert_noticed(path, header if part == "header" else None)
    assert noticed > FLIPS / 2


def test_torch_files_of_others(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "theirs.pth")
    assert assert_noticed(tmp_path / "theirs.pth") > FLIPS / 2


def test_a_torch_file_whose_content_differs_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save(TENSORS, path)
    content = bytearray(path.read_bytes())
    content[content.index(TENSORS["fc.bias"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"theirs\.pth .* checksums state, but differ in .*damaged"):
        read_file(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_torch_file_whose_end_is_missing_is_called_damaged(tmp_path: Path, share: float) -> None:
    path = tmp_path / "theirs.pth"
    torch.save(TENSORS, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UserError, match=r"theirs\.pth .* differ in its end, which is missing"):
        read_file(path)


def test_plain_safetensors_have_no_checksum_and_are_read_as_they_are(tmp_path: Path) -> None:
    """As docs/train.md says; values that are not finite are refused when they are loaded."""
    path = tmp_path / "plain.safetensors"
    safetensors.torch.save_file(TENSORS, path)
    assert not read_file(path).hashed
