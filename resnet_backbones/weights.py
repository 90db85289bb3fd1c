"""Read weights from files, torchvision or timm into a backbone, and write them with their passport."""

import argparse
import ctypes
import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.features import Backbone
from resnet_backbones.layers import FrozenBatchNorm2d
from resnet_backbones.passport import Passport
from resnet_backbones.report import WeightReport

SMALLEST_SHARE = 0.95
"""Of the tensors that a backbone needs, the share that a file must hold."""
_WRAPPINGS = ("state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
_COUNTER = "num_batches_tracked"

Source = tuple[dict[str, Tensor], Passport | None]


def load_weights(backbone: Backbone, source: str) -> WeightReport:
    """Load a local .pth or .safetensors file, `torchvision:resnet50.IMAGENET1K_V1` or `timm:resnet50.a1_in1k`.

    Sets `backbone.passport` and `backbone.report`. ValueError when fewer than 95 % of the tensors that the backbone
    needs are found (`num_batches_tracked` apart), when the file is of another network, or when its passport says so.
    """
    tensors, passport = _read(source)
    passport = passport or _assumed(backbone.passport, source)
    _check_passport(passport, backbone.passport, source)
    _check_norms(tensors, backbone, source)
    tensors, notes = _adapt_channels(tensors, len(backbone.passport.mean))
    origin = "assumed, as the file has no passport" if passport.assumed else "from the weights' passport"
    notes = (f"input is {passport}, stride in the {passport.stride_in} convolution: {origin}", *notes)
    report = _compare(tensors, backbone, source, notes)
    _check_report(report, backbone)
    counters = [name for name in backbone.state_dict() if name.endswith(_COUNTER) and name in tensors]
    backbone.load_state_dict({name: tensors[name] for name in (*report.matched, *counters)}, strict=False)
    adopt_passport(backbone, passport)
    backbone.report = report
    return report


def adopt_passport(backbone: Backbone, passport: Passport) -> None:
    """Make the backbone expect what `passport` says of input and norms, when a state dict is loaded without a file."""
    _set_eps(backbone, passport.norm_eps)
    backbone.passport = passport.with_channels(len(backbone.passport.mean))


def save_weights(path: str | Path, weights: Backbone | Mapping[str, Tensor], passport: Passport | None = None) -> None:
    """Write a .safetensors file that carries the passport (a backbone's own by default) and a hash of its content.

    The file is written beside `path` and then renamed, so that no half-written file is ever seen.
    """
    passport = weights.passport if passport is None and isinstance(weights, Backbone) else passport
    if passport is None:
        raise ValueError("save_weights needs a passport for a plain state dict, got none; pass passport=Passport(…)")
    named = weights.state_dict() if isinstance(weights, Backbone) else weights
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}
    metadata = {"format": "pt", "passport": passport.to_json(), "content_hash": content_hash(tensors)}
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        safetensors.torch.save_file(tensors, unfinished, metadata=metadata)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors by name of a .safetensors file, or of a torch.save file that holds tensors only, on the CPU.

    A `state_dict` or `model` wrapping and `module.` prefixes are taken off, and what is no tensor is left out.
    """
    return _read_file(Path(path))[0]


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values, whatever the order or memory layout."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.nbytes:
            digest.update((ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr()))
    return digest.hexdigest()


def _read(source: str) -> Source:
    kind, _, name = source.partition(":")
    if kind == "torchvision":
        return _read_torchvision(source, name)
    if kind == "timm":
        return _read_timm(source, name)
    tensors, passport = _read_file(Path(source))
    return tensors, replace(passport, source=source) if passport else None


def _read_torchvision(source: str, name: str) -> Source:
    from torchvision.models import get_model_weights, list_models

    architecture, _, tag = name.partition(".")
    if architecture not in list_models():
        raise ValueError(
            f"weights must name a torchvision model, such as torchvision:resnet50.IMAGENET1K_V1, got {source!r}"
        )
    known = get_model_weights(architecture).__members__
    if tag not in known:
        names = " or ".join(f"torchvision:{architecture}.{member}" for member in known)
        raise ValueError(f"weights must be {names}, got {source!r}")
    try:
        tensors: dict[str, Tensor] = known[tag].get_state_dict(progress=True, check_hash=True)
    except OSError as error:  # urllib's errors are OSErrors
        raise _no_download(source, error) from error
    return tensors, Passport(architecture=architecture, source=source)


def _read_timm(source: str, name: str) -> Source:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise ValueError(f"weights must name a timm model, such as timm:resnet50.a1_in1k, got {source!r}")
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise ValueError(f"weights must name a pretrained tag of timm's, got {source!r}: {error}") from error
    try:
        _check_hub(config.hf_hub_id)
        tensors = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # which errors mean "no network" differs between versions of timm's hub client
        raise _no_download(source, error) from error
    architecture = name.partition(".")[0].removesuffix("_gn")  # group norm is not another architecture
    return tensors, Passport(architecture=architecture, source=source, mean=config.mean, std=config.std)


def _check_hub(repository: str | None) -> None:
    """Ask for the file's header once, so that without a network timm does not retry for most of a minute."""
    if repository is None:
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(repository, "model.safetensors"), str):
        get_hf_file_metadata(hf_hub_url(repository, "model.safetensors"), timeout=20)


def _no_download(source: str, error: Exception) -> ValueError:
    return ValueError(
        f"weights {source} could not be downloaded ({_first_line(error)}); give the path of a local .pth or "
        ".safetensors file instead, or model.weights=null to start from scratch"
    )


def _read_file(path: Path) -> Source:
    if not path.is_file():
        raise ValueError(
            "weights must be an existing file, torchvision:<model>.<weights> or timm:<model>.<tag>, got "
            f"{str(path)!r}; check the path, or set model.weights=null to start from scratch"
        )
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        with torch.serialization.safe_globals([argparse.Namespace]):  # training scripts save their arguments beside
            return _unwrap(torch.load(path, map_location="cpu", weights_only=True), path), None
    except (pickle.UnpicklingError, safetensors.SafetensorError, RuntimeError, EOFError) as error:
        foreign = isinstance(error, pickle.UnpicklingError)  # torch then advises to run whatever the file holds
        seen = "a file of another kind or with other objects in it" if foreign else _first_line(error)
        raise ValueError(
            f"weights {path} must be a .safetensors file or a torch.save of tensors, got {seen}; "
            "write it anew with torch.save(model.state_dict(), path)"
        ) from error


def _read_safetensors(path: Path) -> Source:
    with safetensors.safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    if "content_hash" in metadata and metadata["content_hash"] != content_hash(tensors):
        raise ValueError(f"weights {path} must have the content that its hash states, but differ: damaged or altered")
    passport = Passport.from_json(metadata["passport"]) if "passport" in metadata else None
    return _unwrap(tensors, path), passport


def _unwrap(content: object, path: Path) -> dict[str, Tensor]:
    for wrapping in _WRAPPINGS * 2:  # in either order
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if not isinstance(content, Mapping):
        raise ValueError(f"weights {path} must hold tensors by name, got {type(content).__name__}")
    tensors = {_bare(str(name)): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"weights {path} must hold tensors by name, got the entries {list(content)[:5]}")
    return tensors


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return name


def _assumed(built: Passport, source: str) -> Passport:
    return Passport(architecture=built.architecture, source=source, stride_in=built.stride_in, assumed=True)


def _check_passport(passport: Passport, wanted: Passport, source: str) -> None:
    if passport.stride_in != wanted.stride_in:
        raise ValueError(
            f"weights {source} were trained with the stride in the {passport.stride_in} convolution, got "
            f"stride_in={wanted.stride_in}; set model.stride_in={passport.stride_in}"
        )
    if passport.architecture != wanted.architecture:
        raise ValueError(
            f"weights {source} must be of {wanted.architecture}, got {passport.architecture}; "
            f"set model.backbone={passport.architecture} or take other weights"
        )


def _check_norms(tensors: Mapping[str, Tensor], backbone: Backbone, source: str) -> None:
    statistics = next((name for name in tensors if name.endswith("running_mean")), None)
    if statistics and any(isinstance(module, nn.GroupNorm) for module in backbone.modules()):
        raise ValueError(
            f"norm=group needs weights trained with group norm, got batch norm's ({statistics} in {source}); "
            "use norm=auto, batch, frozen or sync, or no weights"
        )


def _adapt_channels(tensors: dict[str, Tensor], channels: int) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Fit the first convolution to `channels` inputs: summed for one, else repeated and scaled to the same sum."""
    weight = tensors.get("conv1.weight")  # (64, C, 7, 7)
    if weight is None or weight.dim() != 4 or weight.shape[1] == channels:
        return tensors, ()
    trained = weight.shape[1]
    if channels == 1:
        adapted, how = weight.sum(1, keepdim=True), "summed"
    else:
        cycle = torch.arange(channels) % trained
        adapted, how = weight[:, cycle] * (trained / channels), f"repeated and scaled by {trained}/{channels}"
    note = f"conv1 was trained on {trained} channels, in_channels is {channels}: its weights are {how}"
    return {**tensors, "conv1.weight": adapted}, (note,)


def _compare(tensors: Mapping[str, Tensor], backbone: Backbone, source: str, notes: tuple[str, ...]) -> WeightReport:
    needed = {name: tensor for name, tensor in backbone.state_dict().items() if not name.endswith(_COUNTER)}
    found = [name for name in needed if name in tensors]
    fits = {name: tensors[name].shape == needed[name].shape for name in found}
    return WeightReport(
        source=source,
        matched=tuple(name for name in found if fits[name]),
        missing=tuple(name for name in needed if name not in tensors),
        unexpected=tuple(name for name in tensors if name not in needed and not name.endswith(_COUNTER)),
        mismatched=tuple(
            f"{name}: file {tuple(tensors[name].shape)}, backbone {tuple(needed[name].shape)}"
            for name in found
            if not fits[name]
        ),
        notes=notes,
    )


def _check_report(report: WeightReport, backbone: Backbone) -> None:
    """Refuse too few matches, and left-over tensors inside the stages that were built: those of another network."""
    built = {name for name, _ in backbone.named_children()}
    foreign = [name for name in report.unexpected if name.partition(".")[0] in built]
    if len(report.matched) >= SMALLEST_SHARE * report.needed and not foreign:
        return
    lists = {"missing": report.missing, "wrong shape": report.mismatched, "not of this network": foreign}
    raise ValueError(
        f"weights {report.source} must hold at least {SMALLEST_SHARE:.0%} of the {report.needed} tensors that "
        f"{backbone.passport.architecture} needs and none of another network, got {len(report.matched)}; "
        "check model.backbone and the norm. "
        + "; ".join(f"{len(names)} {fate}: {', '.join(names)}" for fate, names in lists.items() if names)
    )


def _set_eps(backbone: Backbone, eps: float) -> None:
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d | _BatchNorm | nn.GroupNorm):
            module.eps = eps


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
