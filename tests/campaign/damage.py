"""Files that were damaged after they had been written: flipped bits, cut ends, blocks of zeros."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import Ended, call
from resnet_backbones.errors import UserError
from resnet_backbones.weights.files import read_tensors
from tasks.datasets.class_images.class_images import read_class_images
from tasks.engine.checkpoint import read_checkpoint
from tasks.errors import DataError
from tasks.images import decode

UNCHANGED = 0
CHANGED = 3
REFUSED = 2
BLOCK = 4096
Read = Callable[[Path], Any]


def everything(path: Path) -> Any:
    """All that can be read of a checkpoint."""
    saved = read_checkpoint(path)
    optimizer = saved.optimizer if saved.is_resumable else None
    texts = [saved.progress.to_json(), saved.metadata]
    return [texts, saved.model, saved.ema, optimizer]


def every_picture(path: Path) -> Any:
    """The pictures of an archive of class folders, with their labels."""
    images = read_class_images(path, "train")
    pixels: list[bytes] = []
    for place in range(len(images)):
        try:
            pixels.append(decode(images.read(place)).tobytes())
        except DataError as error:
            raise UserError(f"{images.name(place)}: {error}") from error  # as training says it
    return [images.label_map.names, images.labels.tolist(), pixels]


def damage(path: Path, chance: Random, how: str) -> str:
    """Damage a file in place; what was done."""
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    if how == "flip":
        content[place] ^= 1 << chance.randrange(8)
    elif how == "zeros":
        end = min(len(content), place + BLOCK)
        content[place:end] = bytes(end - place)
    else:
        del content[place:]
    path.write_bytes(content)
    return f"{how} at {place} of {path.name}"


def damaging(name: str, how: str, read: Read) -> Callable[[Place], Verdict]:
    """Cases that damage base/run/NAME in one way and read it."""

    def run(place: Place) -> Verdict:
        whole = place.base / "run" / name
        path = place.folder / whole.name
        shutil.copy(whole, path)
        said = damage(path, place.chance, how)
        ended = call(lambda: _compare(path, whole, read), place.folder, "read")
        return _verdict(said, ended, path)

    return run


def _compare(path: Path, whole: Path, read: Read) -> int:
    try:
        found = read(path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    return UNCHANGED if same(found, read(whole)) else CHANGED


def same(one: Any, other: Any) -> bool:
    """Whether two trees hold the same values, tensors to the last bit."""
    leaves, expected = tree_leaves(one), tree_leaves(other)
    if len(leaves) != len(expected) or str(_names(one)) != str(_names(other)):
        return False
    return all(_same_leaf(*pair) for pair in zip(leaves, expected, strict=True))


def _names(tree: Any) -> Any:
    """The keys of a tree, without its leaves."""
    if isinstance(tree, dict):
        return {key: _names(value) for key, value in tree.items()}
    return [_names(value) for value in tree] if isinstance(tree, list | tuple) else None


def _same_leaf(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and one.numpy().tobytes() == other.numpy().tobytes()
    return type(one) is type(other) and bool(one == other)


def _verdict(said: str, ended: Ended, path: Path) -> Verdict:
    if ended.status == CHANGED and not ended.has_traceback:
        return Verdict(Outcome.CHANGED, said)
    fault = fault_of("read", ended)
    if fault is not None:
        return Verdict(fault[0], said, fault[1])
    if ended.status == UNCHANGED:
        return Verdict(Outcome.HARMLESS, said)
    outcome = Outcome.NOTICED if path.name in ended.line else Outcome.UNNAMED
    return Verdict(outcome, said, ended.line)


FILES: tuple[tuple[str, str, Read], ...] = (
    ("last.pt", "last.pt", everything),
    ("step_1.pt", "step_N.pt", everything),
    ("best.pt", "best.pt", everything),
    ("weights.safetensors", "weights.safetensors of ours", read_tensors),
    ("weights.pth", ".pth of others", read_tensors),
    ("of_0.1.0.pt", "checkpoints of 0.1.0", everything),
    ("train.zip", "packed images, zip", every_picture),
    ("train.tar", "packed images, tar", every_picture),
)
HOWS = {"flip": ("flipped bits in", 50, 1), "cut": ("cut", 20, 1), "zeros": ("zeros in", 20, 1)}


def _kinds() -> list[Kind]:
    kinds: list[Kind] = []
    for how, (words, full, quick) in HOWS.items():
        for name, title, read in FILES:
            run = damaging(name, how, read)
            kinds.append(Kind(f"{how}-{name}", f"{words} {title}", full, quick, run))
    return kinds


KINDS = tuple(_kinds())
