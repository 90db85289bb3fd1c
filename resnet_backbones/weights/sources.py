"""Where weights come from: files, torchvision and timm.  Nothing that a file names is ever run."""

import argparse
import ctypes
import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.pickles import read_pickle

_WRAPPINGS = ("state_dict", "model", "blobs")
"""Entries of a file that hold the tensors; `blobs` is Detectron's."""
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile


class Source(NamedTuple):
    """What was found where weights come from."""

    tensors: dict[str, Tensor]
    """By the names that they have there."""
    passport: Passport | None


def read_source(source: str) -> Source:
    """Tensors by the names they have at `source`, and their passport where there is one; see
    `load_weights`.
    """
    kind, _, name = source.partition(":")
    if kind == "torchvision":
        return _read_torchvision(source, name)
    if kind == "timm":
        return _read_timm(source, name)
    found = _read_file(Path(source))
    passport = None if found.passport is None else replace(found.passport, source=source)
    return found._replace(passport=passport)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a .safetensors file, or of a torch.save file or pickle that holds tensors
    only, on the CPU.

    A `state_dict`, `model` or `blobs` wrapping and `module.` prefixes are taken off, and what is no
    tensor is left out.
    """
    return _read_file(Path(path)).tensors


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, whatever the order or memory layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.nbytes:
            digest.update((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr()))
    return digest.hexdigest()


_OTHER_INPUT: dict[str, dict[str, Any]] = {
    "googlenet": {
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "norm_eps": 1e-3,
    }  # its `transform_input`
}


def _read_torchvision(source: str, name: str) -> Source:
    from torchvision.models import get_model_weights, list_models

    architecture, _, tag = name.partition(".")
    if architecture not in list_models():
        raise UserError(
            "weights must name a torchvision model, such as torchvision:resnet50.IMAGENET1K_V1,"
            f" got {source!r}"
        )
    known = get_model_weights(architecture).__members__
    if tag not in known:
        names = " or ".join(f"torchvision:{architecture}.{member}" for member in known)
        raise UserError(f"weights must be {names}, got {source!r}")
    try:
        tensors: dict[str, Tensor] = known[tag].get_state_dict(progress=True, check_hash=True)
    except OSError as error:  # urllib's errors are OSErrors
        raise _no_download(source, error) from error
    stated = _torchvisions_fields(architecture, known[tag])
    return Source(tensors, Passport(architecture=architecture, source=source, **stated))


def _torchvisions_fields(architecture: str, weights: Any) -> dict[str, Any]:
    """What torchvision states of its weights, and what it does inside the model."""
    preset, meta = weights.transforms(), weights.meta
    sizes = {name: getattr(preset, name, [None])[0] for name in ("resize_size", "crop_size")}
    interpolation = getattr(getattr(preset, "interpolation", None), "value", None)
    stated = {"label_map": tuple(meta.get("categories", ())), "recipe": meta.get("recipe", "")}
    return {**sizes, "interpolation": interpolation, **stated, **_OTHER_INPUT.get(architecture, {})}


def _read_timm(source: str, name: str) -> Source:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise UserError(
            f"weights must name a timm model, such as timm:resnet50.a1_in1k, got {source!r}"
        )
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UserError(
            f"weights must name a pretrained tag of timm's, got {source!r}: {error}"
        ) from error
    try:
        _check_hub(config.hf_hub_id)
        network = timm.create_model(name, pretrained=True)
    except (
        Exception
    ) as error:  # which errors mean "no network" differs between versions of timm's hub client
        raise _no_download(source, error) from error
    architecture = name.partition(".")[0].removesuffix(
        "_gn"
    )  # group norm is not another architecture
    eps = next((module.eps for module in network.modules() if isinstance(module, _BatchNorm)), 1e-5)
    crop = config.input_size[-1]
    passport = Passport(
        architecture=architecture,
        source=source,
        mean=config.mean,
        std=config.std,
        resize_size=int(crop / config.crop_pct),
        crop_size=crop,
        interpolation=config.interpolation,
        norm_eps=eps,
        licence=config.license or "",
    )
    return Source(network.state_dict(), passport)


def _check_hub(repository: str | None) -> None:
    """Ask for the file's header once, so that without a network timm does not retry for most of a
    minute.
    """
    if repository is None:
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(repository, "model.safetensors"), str):
        get_hf_file_metadata(hf_hub_url(repository, "model.safetensors"), timeout=20)


def _no_download(source: str, error: Exception) -> UserError:
    return UserError(
        f"weights {source} could not be downloaded ({first_line(error)}); give the path of a local"
        " .pth or .safetensors file instead, or model.weights=null to start from scratch"
    )


def _read_file(path: Path) -> Source:
    if not path.is_file():
        raise UserError(
            "weights must be an existing file, torchvision:<model>.<weights> or"
            f" timm:<model>.<tag>, got {str(path)!r}; check the path, or set model.weights=null to"
            " start from scratch"
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
            "write it anew with torch.save(model.state_dict(), path)"
        ) from error
    tensors = _unwrap(content, path)
    if "content_hash" in metadata and metadata["content_hash"] != content_hash(tensors):
        raise UserError(
            f"weights {path} must have the content that its hash states, but differ: damaged or"
            " altered"
        )
    passport = Passport.from_json(metadata["passport"]) if "passport" in metadata else None
    return Source({_bare(name): tensor for name, tensor in tensors.items()}, passport)


def _read_safetensors(path: Path) -> tuple[object, dict[str, str]]:
    with safetensors.safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    return safetensors.torch.load_file(path), metadata


def _read_pickled(path: Path) -> tuple[object, dict[str, str]]:
    content: Any
    if path.suffix == ".pkl" and not zipfile.is_zipfile(
        path
    ):  # Detectron's; torch.save writes zip files
        content = read_pickle(path)
    else:
        with torch.serialization.safe_globals(
            [argparse.Namespace]
        ):  # training scripts save their arguments beside
            content = torch.load(path, map_location="cpu", weights_only=True)
    meta = content.get("meta") if isinstance(content, dict) else None
    return content, meta if isinstance(meta, dict) and isinstance(meta.get("passport"), str) else {}


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    for wrapping in _WRAPPINGS * 2:  # in either order
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if not isinstance(content, Mapping):
        raise UserError(f"weights {path} must hold tensors by name, got {type(content).__name__}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(
            f"weights {path} must hold tensors by name, got the entries {list(content)[:5]}"
        )
    return tensors


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def first_line(error: Exception) -> str:
    """An error in one line."""
    return (
        f"{type(error).__name__}:"
        f" {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    )
