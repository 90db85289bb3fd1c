"""Write weights with their passport."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import safetensors.torch
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.weights.files import content_hash, text_hash
from resnet_backbones.weights.passport import Passport


def save_weights(
    path: str | Path,
    weights: Backbone | Mapping[str, Tensor],
    passport: Passport | None = None,
    *,
    commit: str = "",
) -> None:
    """Write a .safetensors file with the passport (a backbone's own by default) and a hash of its
    content.

    `commit`, for the passport, is that of the code that trained or converted the weights.
    The file is written beside `path` and then renamed, so a half-written file never appears.
    """
    passport = weights.passport if passport is None and isinstance(weights, Backbone) else passport
    if passport is None:
        raise UserError(
            "save_weights needs a passport for a plain state dict, got none; pass"
            " passport=Passport(…)"
        )
    named = weights.state_dict() if isinstance(weights, Backbone) else weights
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    metadata = {"format": "pt", **file_metadata(tensors, passport, commit)}
    write_beside(Path(path), safetensors.torch.save(tensors, metadata))


def write_beside(target: Path, content: bytes) -> None:
    """Write a temporary file beside `path` and rename it; UserError if it cannot be written."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(target)
    except OSError as error:
        rule = f"{target} must be a place that can be written to"
        raise UserError(f"{rule}, got: {error.strerror}; make room, or choose another") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def file_metadata(
    tensors: Mapping[str, Tensor], passport: Passport, commit: str = ""
) -> dict[str, str]:
    """Metadata of a file: the passport with this library's version and the commit, and hashes of
    content and passport.
    """
    try:
        written_by = version("resnet-backbones")
    except PackageNotFoundError:  # run from its source tree
        written_by = "unknown"
    text = replace(passport, library_version=written_by, commit=commit).to_json()
    return {
        "passport": text,
        "content_hash": content_hash(tensors),
        "passport_hash": text_hash(text),
    }
