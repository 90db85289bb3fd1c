"""Sources of weights: files, torchvision, timm, and those that come with this library."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.errors import UserError
from resnet_backbones.weights.files import Source, first_line, read_file
from resnet_backbones.weights.passport import Passport
from resnet_backbones.zoo.catalogue import PREFIX, published_file


def read_source(source: str) -> Source:
    """Read the tensors under their names at `source`, and their passport if there is one; see
    `load_weights`.
    """
    kind, _, name = source.partition(":")
    if kind == "torchvision":
        return _read_torchvision(source, name)
    if kind == "timm":
        return _read_timm(source, name)
    found = read_file(local_file(source))
    passport = None if found.passport is None else replace(found.passport, source=source)
    return found._replace(passport=passport)


def local_file(source: str) -> Path:
    """The file of a path or of `ours:NAME`; UserError for an unknown name."""
    return published_file(source) if source.startswith(PREFIX) else Path(source)


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
    """Passport fields that torchvision states, or that its model does inside."""
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
    """Request the file's header once, as timm would retry for most of a minute offline."""
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
