"""Rewrite a weights file in another library's names, and check that its features stay the same."""

import io
import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.registry import build
from resnet_backbones.weights.adapt import (
    first_convolution,
    fold_mean_std,
    fold_std,
    reorder_channels,
)
from resnet_backbones.weights.dialects import Dialect, detect, from_torchvision, to_torchvision
from resnet_backbones.weights.loading import load_tensors
from resnet_backbones.weights.passport import Passport, PixelNormalizer
from resnet_backbones.weights.recognition import identify, stated_spec
from resnet_backbones.weights.saving import file_metadata, save_weights, write_beside
from resnet_backbones.weights.sources import read_source

State = dict[str, Tensor]
_ENDINGS = (".safetensors", ".pth", ".pkl")


def convert_weights(
    source: Path,
    target: Path,
    *,
    from_dialect: Dialect | Literal["auto"] = "auto",
    to_dialect: Dialect,
    architecture: str | None = None,
    rename: Sequence[tuple[str, str]] = (),
    passport_fields: Mapping[str, Any] | None = None,
    channel_order: Literal["rgb", "bgr"] | None = None,
    fold: Literal["std", "mean-std"] | None = None,
    commit: str = "",
) -> str:
    """Write `target` (.safetensors, .pth or .pkl) from `source`, and return a report with the
    difference of features.

    `rename` first replaces beginnings of names. `architecture` is recognised by names and shapes if
    it is not given, and `passport_fields` replace fields of the file's passport or of the assumed
    one. `commit`, for the passport, is that of this code. UserError for tensors that do not fit.
    """
    if target.suffix not in _ENDINGS:
        raise UserError(f"the file to write must end in {', '.join(_ENDINGS)}, got {target}")
    tensors, passport, read = _read(
        str(source), rename, from_dialect, architecture, passport_fields or {}
    )
    before, plain = _features(tensors, passport), passport
    tensors, passport = _reprocessed(tensors, passport, channel_order, fold)
    named = from_torchvision(tensors, to_dialect)
    write_weights(target, named, passport, commit)
    after = _features(to_torchvision(read_source(str(target))[0], to_dialect), passport)
    return "\n".join(
        [
            f"{read} -> {target} ({to_dialect}, {len(named)} tensors)",
            f"passport: {plain.architecture}, stride in the {plain.stride_in} convolution, {plain}"
            + (" (assumed, as the file has none)" if plain.assumed else ""),
            *([f"now: {passport}"] if passport != plain else []),
            _difference(before, after),
        ]
    )


def _read(
    source: str,
    rename: Sequence[tuple[str, str]],
    from_dialect: Dialect | Literal["auto"],
    architecture: str | None,
    fields: Mapping[str, Any],
) -> tuple[State, Passport, str]:
    """Tensors under torchvision's names, their passport with the user's fields, and notes on the
    file.
    """
    found = read_source(source)
    found = found._replace(tensors=_renamed(found.tensors, rename))
    dialect = detect(found.tensors) if from_dialect == "auto" else from_dialect
    tensors, passport = identify(
        found,
        source,
        """say which with --architecture NAME and --passport 'options={"shortcut": "B"}'""",
        name=architecture or fields.get("architecture"),
        settled="options" in fields,
        dialect=dialect,
    )
    read = f"{source} ({dialect}, {len(found.tensors)} tensors)"
    return tensors, _stated(passport, fields), read


def _difference(before: State, after: State) -> str:
    largest = max((after[name] - before[name]).abs().max().item() for name in before)
    scale = max(before[name].abs().max().item() for name in before)
    return f"largest difference of features: {largest:.3g} (largest feature {scale:.3g})"


def write_weights(path: Path, tensors: State, passport: Passport, commit: str = "") -> None:
    """Write a file of the kind of the path's suffix; all kinds carry the passport and a hash of the
    content.
    """
    if path.suffix == ".safetensors":
        return save_weights(path, tensors, passport, commit=commit)
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    meta = file_metadata(tensors, passport, commit)
    if path.suffix == ".pth":
        stream = io.BytesIO()
        torch.save({"state_dict": tensors, "meta": meta}, stream)
        return write_beside(path, stream.getvalue())
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    # detectron2 takes a pickle whose names are its own only with an author, and matches shorter
    # names on request
    content = {
        "model": arrays,
        "meta": meta,
        "__author__": "resnet_backbones",
        "matching_heuristics": True,
    }
    return write_beside(path, pickle.dumps(content, protocol=4))


def parse_fields(entries: Sequence[str]) -> dict[str, Any]:
    """Parse `stride_in=3x3`, `mean=[0.5,0.5,0.5]` into values by name: as JSON if possible, else as
    text.
    """
    return {name: _value(text) for name, _, text in (entry.partition("=") for entry in entries)}


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return tuple(value) if isinstance(value, list) else value


def _renamed(tensors: State, rename: Sequence[tuple[str, str]]) -> State:
    for old, new in rename:
        if not any(name.startswith(old) for name in tensors):
            raise UserError(
                f"--rename {old}={new} must fit a name's beginning, got names like"
                f" {list(tensors)[:4]}"
            )
        tensors = {
            new + name.removeprefix(old) if name.startswith(old) else name: t
            for name, t in tensors.items()
        }
    return tensors


def _stated(passport: Passport, fields: Mapping[str, Any]) -> Passport:
    """The passport with the user's fields."""
    try:
        return replace(passport, **{"assumed": passport.assumed and not fields, **fields})
    except TypeError as error:
        raise UserError(
            f"--passport must name fields of a passport, got {sorted(fields)}"
        ) from error


def _reprocessed(
    tensors: State, passport: Passport, channel_order: str | None, fold: str | None
) -> tuple[State, Passport]:
    with torch.device("meta"):
        first = first_convolution(build(stated_spec(passport)))
    if channel_order not in (None, passport.channel_order):
        tensors, passport = reorder_channels(tensors, first, passport)
    if fold is not None:
        tensors, passport = (fold_std if fold == "std" else fold_mean_std)(tensors, first, passport)
    return tensors, passport


@torch.no_grad()
def _features(tensors: State, passport: Passport) -> dict[str, Tensor]:
    """Features of one image of noise, which show whether two files hold the same function."""
    backbone = build(stated_spec(passport)).eval()
    load_tensors(backbone, tensors, passport, passport.source)
    images = torch.rand(1, len(passport.mean), 64, 64, generator=torch.Generator().manual_seed(0))
    return backbone(PixelNormalizer(passport)(images))  # type: ignore[no-any-return]
