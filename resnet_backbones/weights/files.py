"""Read files of tensors with any wrapping.  No code that a file names is ever run."""

import argparse
import ctypes
import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from resnet_backbones.errors import ZIP_DAMAGE, UserError
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.pickles import numpy_scalars, read_pickle

_WRAPPINGS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module"),
    *("blobs", "weights", "params", "state"),
    *("model_ema", "state_dict_ema", "params_ema", "ema"),
)
"""Entries of a file that hold the tensors, in the order in which they are looked for; `blobs` is
Detectron's."""
_ZIP_BEGINS = b"PK\x03\x04"
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile


class Source(NamedTuple):
    """Content of a file of weights, or of another source."""

    tensors: dict[str, Tensor]
    """Tensors by their names in the source."""
    passport: Passport | None
    notes: tuple[str, ...] = ()
    """Notes on which of several networks in a file was read."""
    hashed: bool = False
    """Whether the file holds a hash of its content, which was correct."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a .safetensors file, or of a torch.save file or pickle that holds tensors
    only, on the CPU.

    Wrappings such as `state_dict`, `model` or `net` and `module.` prefixes are taken off. Entries
    that are not tensors are left out.
    """
    return read_file(Path(path)).tensors


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, for any order and memory layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.nbytes:
            digest.update((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr()))
    return digest.hexdigest()


def read_file(path: Path) -> Source:
    """Read the tensors of a file under its own names, and its passport."""
    if not path.is_file():
        raise UserError(
            "weights must be an existing file, torchvision:<model>.<weights>, timm:<model>.<tag> or"
            f" ours:<name>, got {str(path)!r}; check the path, or start from scratch with"
            " weights=None (in a recipe model.weights=null)"
        )
    try:
        content, metadata = (
            _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickled(path)
        )
    except (pickle.UnpicklingError, safetensors.SafetensorError, RuntimeError, EOFError) as error:
        foreign = isinstance(
            error, pickle.UnpicklingError
        )  # torch then advises to run whatever the file holds
        seen = (
            "a file of another kind or with other objects in it" if foreign else first_line(error)
        )
        raise UserError(
            f"weights {path} must be a .safetensors file or a torch.save of tensors, got {seen}; "
            "write it again with torch.save(model.state_dict(), path)"
        ) from error
    tensors, notes = _unwrap(content, path)
    _check_hashes(path, tensors, metadata)
    hashed = "content_hash" in metadata
    passport = Passport.from_json(metadata["passport"]) if "passport" in metadata else None
    bare = {_bare(name): tensor for name, tensor in tensors.items()}
    return Source(bare, passport, notes, hashed)


def text_hash(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check_hashes(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Raise UserError if tensors or passport differ from those that our library wrote; files of
    others hold no hashes.
    """
    passport = metadata.get("passport", "")
    stated = {"content_hash": content_hash(tensors), "passport_hash": text_hash(passport)}
    differ = [name for name, found in stated.items() if metadata.get(name, found) != found]
    lost = "content_hash" in metadata and not passport
    if differ or lost:
        raise UserError(
            f"weights {path} must have the content that its hash states, but differ: damaged or"
            " altered"
        )


def _check_archive(path: Path) -> None:
    """Raise UserError if a part of a torch.save file differs from its checksum, which torch does
    not check.
    """
    with path.open("rb") as file:
        if zipfile.is_zipfile(file):
            damaged = _first_damaged(file)
        else:
            file.seek(0)
            is_cut = file.read(len(_ZIP_BEGINS)) == _ZIP_BEGINS
            damaged = "its end, which is missing" if is_cut else None
    if damaged is not None:
        rule = f"weights {path} must have the content that its checksums state"
        raise UserError(f"{rule}, but differ in {damaged}: damaged; copy or download it again")


def _first_damaged(file: IO[bytes]) -> str | None:
    """The first part of a zip that differs from its checksum, or the error of the zip."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip()
    except ZIP_DAMAGE as error:
        return first_line(error)


def _read_safetensors(path: Path) -> tuple[object, dict[str, str]]:
    with safetensors.safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    return safetensors.torch.load_file(path), metadata


def _read_pickled(path: Path) -> tuple[object, dict[str, str]]:
    content: Any
    _check_archive(path)
    if path.suffix == ".pkl" and not zipfile.is_zipfile(
        path
    ):  # Detectron's; torch.save writes zip files
        content = read_pickle(path)
    else:
        # training scripts save their arguments and scores beside
        with torch.serialization.safe_globals([argparse.Namespace, *numpy_scalars()]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    meta = content.get("meta") if isinstance(content, dict) else None
    return content, meta if isinstance(meta, dict) and isinstance(meta.get("passport"), str) else {}


def _unwrap(content: object, path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors of the first wrapping that holds any, otherwise of all entries, with notes on what
    was read.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"weights {path} must hold tensors by name, got {type(content).__name__}")
    tensors, notes = _find(content)
    if not tensors:
        raise UserError(
            f"weights {path} must hold tensors by name, got the entries {list(content)[:5]}"
        )
    return tensors, notes


def _find(content: Mapping[Any, Any]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    wrapped = {name: content[name] for name in _WRAPPINGS if isinstance(content.get(name), Mapping)}
    networks = {name: found for name, entry in wrapped.items() if (found := _find(entry))[0]}
    if networks:
        first, *others = networks
        tensors, notes = networks[first]
        told = f"the file holds {' and '.join(networks)}: {first} was read"
        return tensors, (*notes, told) if others else notes
    own = _tensors(content)
    if any(tensor.dim() for tensor in own.values()):
        return own, ()
    entries = {
        name: _tensors(entry) for name, entry in content.items() if isinstance(entry, Mapping)
    }
    inside = {f"{name}.{key}": x for name, entry in entries.items() for key, x in entry.items()}
    return inside or own, ()


def _tensors(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def first_line(error: Exception) -> str:
    """An error as one line."""
    return (
        f"{type(error).__name__}:"
        f" {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    )
