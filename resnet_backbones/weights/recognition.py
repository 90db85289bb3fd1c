"""Recognise the registered network of a file without a passport, by names and shapes of its
tensors.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build, list_backbones, make_options
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.adapt import first_convolution
from resnet_backbones.weights.dialects import Dialect, detect, to_torchvision
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.naming import assumed_passport, complete_norms, is_akamaster
from resnet_backbones.weights.passport import Passport

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
_FEWER = 4
"""Number of convolutions that a network may have fewer than its name says: VGG's last three layers
are none, nor is the classifier."""
_SHORTCUTS = ("A", "A_centred", "B", "C")


@dataclass(frozen=True)
class Candidate:
    """A network that fits a file's tensors."""

    name: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    """Options that differ from the family's defaults, by name."""

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"{self.name} ({told})" if told else self.name


def identify(
    found: Source,
    source: str,
    way_out: str,
    *,
    name: str | None = None,
    settled: bool = False,
    dialect: Dialect | Literal["auto"] = "auto",
) -> tuple[State, Passport]:
    """Tensors of a file under torchvision's names, and its passport; without one, the assumed
    passport of the network that fits.

    `name` is the network's if it is known, and `settled` says that its options are known too.
    UserError, which ends in `way_out`, if no network fits, or several that compute different
    things.
    """
    known = detect(found.tensors) if dialect == "auto" else dialect
    tensors = to_torchvision(found.tensors, known)
    if known in ("caffe2", "detectron2"):
        eps = 1e-5 if found.passport is None else found.passport.norm_eps
        tensors = complete_norms(tensors, known, eps)
    if found.passport is not None:
        return tensors, found.passport
    if name is not None and (settled or name.startswith("timm:")):
        candidate = Candidate(name)
    else:
        candidate = _recognise(tensors, known, source, way_out, name)
    network = _on_meta(candidate.name, candidate.options)
    passport = assumed_passport(network.passport, tensors, known, source)
    options = {} if settled else {**passport.options, **candidate.options}
    passport = replace(passport, options=options)
    first = tensors.get(first_convolution(network))
    return tensors, passport if first is None else passport.with_channels(first.shape[1])


def _recognise(
    tensors: State, dialect: Dialect, source: str, way_out: str, name: str | None
) -> Candidate:
    candidates = find_candidates(tensors, dialect, list_backbones() if name is None else (name,))
    if len(candidates) == 1:
        return candidates[0]
    seen = ", ".join(list(tensors)[:4])
    if candidates:
        seen = f"{seen} …, which {' and '.join(str(entry) for entry in candidates)} have"
    raise UserError(
        f"weights {source} have no passport, so their tensors must be those of one registered"
        f" backbone{'' if name is None else f', {name}'}, got {seen}; {way_out}"
    )


def stated_spec(passport: Passport, given: Mapping[str, Any] | None = None) -> BackboneSpec:
    """Spec of the network that a passport describes; `given` replaces fields of it."""
    settings: dict[str, Any] = {"name": passport.architecture, **(given or {})}
    name = settings.pop("name")
    if "options" not in settings and not name.startswith("timm:"):
        options = {key: x for key, x in passport.options.items() if key != "output_stride"}
        if passport.pool != "padded":
            options["pool"] = passport.pool
        settings["options"] = make_options(name, options)
    settings.setdefault("stride_in", passport.stride_in)
    settings.setdefault("in_channels", len(passport.mean))
    settings.setdefault("output_stride", passport.options.get("output_stride", 32))
    return BackboneSpec(name, **settings)


def find_candidates(tensors: State, dialect: Dialect, names: Sequence[str]) -> list[Candidate]:
    """All of these networks whose backbone has exactly these tensors in its stages.

    Kinds of shortcut are tried; other options keep their defaults.
    """
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in tensors.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    convolutions = sum(len(shape) == 4 for shape in shapes.values())
    possible = [name for name in names if _depth(name) - _FEWER <= convolutions]
    found = [candidate for name in possible for candidate in _candidates_of(name, shapes)]
    if is_akamaster(tensors, dialect):
        found = [entry for entry in found if entry.options == {"shortcut": "A_centred"}]
    return found


def _candidates_of(name: str, shapes: Shapes) -> Iterator[Candidate]:
    network = _on_meta(name, {})
    needed = _shapes_of(network)
    first = first_convolution(network)
    stages = {key.partition(".")[0] for key in needed}
    inside = {key: shape for key, shape in shapes.items() if key.partition(".")[0] in stages}
    if len(inside.get(first, ())) == 4:  # whatever the number of input channels
        inside[first] = (inside[first][0], needed[first][1], *inside[first][2:])
    if _branches(inside) != _branches(needed):
        return
    usual = network.passport.options.get("shortcut")
    if inside == needed:
        yield Candidate(name)
    for kind in _SHORTCUTS:
        options = {"shortcut": kind}
        if usual not in (None, kind) and inside == _shapes_of(_on_meta(name, options)):
            yield Candidate(name, options)


def _depth(name: str) -> int:
    number = re.search(r"(?<=net|v2_|ain|vgg|ext)\d+", name)
    return int(number[0]) if number else 0


def _on_meta(name: str, options: dict[str, Any]) -> Backbone:
    """A network on the meta device, without memory."""
    passport = Passport(architecture=name, options=options)
    with torch.device("meta"):
        return build(stated_spec(passport))


def _shapes_of(network: Backbone) -> Shapes:
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def _branches(shapes: Shapes) -> Shapes:
    """Tensors without those of the shortcuts."""
    return {name: shape for name, shape in shapes.items() if ".downsample." not in name}
