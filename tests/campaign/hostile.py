"""Weights and checkpoints that would run code, lie about themselves, or hold odd content."""

import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from mutate.coco import NASTY

from campaign import bases
from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import command
from tasks.engine.digest import digest_of

EXECUTED = "executed"
"""The file that a payload makes, in the folder where a command stands."""


class Payload:
    """What runs a command when it is read back."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {EXECUTED}",)


def plain_pickle(whole: Path) -> bytes:
    """A pickle of the payload alone."""
    return pickle.dumps({"model": Payload()}, protocol=2)


def saved_by_torch(whole: Path) -> bytes:
    """A torch.save file with the payload beside the tensors."""
    content = torch.load(whole, weights_only=True)
    return _saved(content | {"args": Payload()})


def old_torch_file(whole: Path) -> bytes:
    """The same, as torch wrote before its files were archives."""
    stream = io.BytesIO()
    content = {"weight": torch.ones(3), "args": Payload()}
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def nested_storage(whole: Path) -> bytes:
    """A pickle with a storage whose bytes are another pickle, as Detectron's may have."""

    class Storage:
        def __reduce__(self) -> tuple[Any, ...]:
            return torch.storage._load_from_bytes, (plain_pickle(whole),)

    return pickle.dumps({"blobs": {"conv1_w": Storage()}}, protocol=2)


def evaluated_text(whole: Path) -> bytes:
    """A pickle by hand that evaluates a text."""
    text = f"__import__('os').system('touch {EXECUTED}')"
    return b"cbuiltins\neval\n(V" + text.encode() + b"\ntR."


PAYLOADS: tuple[Callable[[Path], bytes], ...] = (
    plain_pickle,
    saved_by_torch,
    old_torch_file,
    nested_storage,
    evaluated_text,
)


def _saved(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def doors(place: Place, file: Path) -> dict[str, list[object]]:
    """Every command that reads a file of weights or a checkpoint."""
    data = [place.base / "detection.yaml", *bases.coco_words(place.base / "coco")]
    picture = place.base / "coco/val/21.png"
    return {
        "predict": ["predict", file, picture, "--out", "found", "--device", "cpu"],
        "eval": ["eval", file, "--out", "scores", *bases.coco_words(place.base / "coco")],
        "train": ["train", *data, f"model.weights={file}", "run.output_dir=new"],
        "resume": ["train", *data, "schedule.steps=2", "run.resume=auto", "run.output_dir=run"],
        "describe": ["describe", file],
        "convert-weights": ["convert-weights", file, "out.safetensors", "--to", "timm"],
        "export-weights": ["export-weights", file, "out.safetensors"],
    }


def _enter(place: Place, content: bytes, name: str, said: str) -> Verdict:
    """Give a file to one of the commands."""
    folder = place.folder / "run"
    shutil.copytree(place.base / "run", folder)
    for other in folder.glob("*.pt"):
        other.unlink()
    file = Path("run") / name
    (place.folder / file).write_bytes(content)
    door = place.chance.choice([door for door in doors(place, file) if _fits(door, name)])
    ended = command(doors(place, file)[door], place.folder, door)
    said = f"{door}: {said}"
    fault = fault_of(door, ended)
    if (place.folder / EXECUTED).exists():
        return Verdict(Outcome.CHANGED, said, "code of the file was run")
    if fault is not None:
        return Verdict(fault[0], said, fault[1])
    if ended.status == 0:
        return Verdict(Outcome.DONE, said)
    named = name in ended.line or (door == "train" and "model.weights" in ended.line)
    return Verdict(Outcome.REFUSED if named else Outcome.UNNAMED, said, ended.line)


def _fits(door: str, name: str) -> bool:
    """Whether a command reads a file of that name."""
    return door != "resume" or name == "last.pt"


def enter_pickle(place: Place) -> Verdict:
    """Give a file with a payload to a command."""
    make = place.chance.choice(PAYLOADS)
    name = place.chance.choice(("last.pt", "weights.pth", "weights.pkl"))
    return _enter(place, make(place.base / "run/last.pt"), name, f"{make.__name__} in {name}")


def enter_header(place: Place) -> Verdict:
    """Give a .safetensors file with a lying header to a command."""
    content = (place.base / "run/weights.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    said = _lie(header, place.chance)
    text = json.dumps(header).encode()
    stated = len(text)
    if place.chance.random() < 0.2:
        stated = place.chance.choice((0, 1, stated - 1, stated + 1, 10**6, 2**31, 2**63, 2**64 - 1))
        said = f"a header of {stated} bytes"
    damaged = struct.pack("<Q", stated) + text + content[8 + size :]
    return _enter(place, damaged, "weights.safetensors", said)


def _lie(header: dict[str, Any], chance: Random) -> str:
    """Change a header in place; what was changed."""
    name = chance.choice(sorted(header))
    entry = header[name]
    if name == "__metadata__" or chance.random() < 0.3:
        entry = header["__metadata__"]
        key = chance.choice(sorted(entry))
        entry[key] = chance.choice(("", "{}", "[]", "null", "NaN", "[" * 5000, 3, None, {"a": "b"}))
        return f"metadata {key}"
    key = chance.choice(sorted(entry))
    wrong = ("F32", "F99", [], [0, 0], [2**62, 2**62], [-1, 4], [1, 2, 3], "x", None, 1e9)
    entry[key] = chance.choice(wrong)
    return f"{key} of {name}"


def enter_odd_checkpoint(place: Place) -> Verdict:
    """Give a checkpoint with right digests and odd content to a command."""
    content = torch.load(place.base / "run/last.pt", weights_only=True)
    said = _oddly(content, place.chance)
    texts = {name: content[name] for name in ("progress", "metadata") if name in content}
    parts = {name: content[name] for name in ("model", "ema", "optimizer") if name in content}
    if place.chance.random() < 0.9:
        digests = {"texts": digest_of(texts)}
        digests |= {name: digest_of(part) for name, part in parts.items()}
        content["digests"] = json.dumps(digests)
    return _enter(place, _saved(content), "last.pt", said)


def _oddly(content: dict[str, Any], chance: Random) -> str:
    """Change a checkpoint's content in place; what was changed."""
    draw = chance.random()
    if draw < 0.15:
        name = chance.choice(sorted(content))
        del content[name]
        return f"without {name}"
    if draw < 0.3:
        name = chance.choice(sorted(content))
        content[name] = chance.choice((None, "", 7, [], {}, "{}", "[]", "null", "{", torch.ones(2)))
        return f"another {name}"
    if draw < 0.65:
        name = chance.choice(("progress", "metadata"))
        value = json.loads(content[name])
        path = _replace_inside(value, chance)
        content[name] = json.dumps(value)
        return f"{name}: {path}"
    group = chance.choice(("model", "ema"))
    name = chance.choice(sorted(content[group]))
    tensor = content[group][name]
    odd = (tensor.double(), tensor.flatten()[:1], torch.full_like(tensor, 0), None, "x", [tensor])
    content[group][name] = chance.choice(odd)
    return f"{group}: {name}"


def _replace_inside(value: dict[str, Any], chance: Random) -> str:
    """Replace or drop something at any depth of a dict."""
    key = chance.choice(sorted(value))
    inner = value[key]
    if isinstance(inner, dict) and inner and chance.random() < 0.8:
        return f"{key}.{_replace_inside(inner, chance)}"
    if chance.random() < 0.3:
        del value[key]
        return f"{key} dropped"
    value[key] = chance.choice([item for item in NASTY if item != "\ud800"])
    return f"{key} replaced"


KINDS = (
    Kind("pickles", "files that would run code", 35, 1, enter_pickle),
    Kind("headers", "hostile safetensors headers", 40, 1, enter_header),
    Kind("checkpoints", "checkpoints with odd content", 60, 1, enter_odd_checkpoint),
)
