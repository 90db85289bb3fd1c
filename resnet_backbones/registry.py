"""Backbones by name. Names and near misses are known without importing torch."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from resnet_backbones.errors import UserError
from resnet_backbones.spec import BackboneSpec, FreezeThrough, Norm, OutputStride, StrideIn

if TYPE_CHECKING:
    from resnet_backbones.features import Backbone
    from resnet_backbones.weights.adapt import Adaptation

_DEPTHS = (18, 34, 50, 101, 152, 200)
_CIFAR_DEPTHS = (20, 32, 44, 56, 110, 1202)
_NAMES_IN = {
    "resnet": (
        *(f"resnet{depth}" for depth in _DEPTHS),
        *(
            "resnext50_32x4d",
            "resnext101_32x8d",
            "resnext101_64x4d",
            "wide_resnet50_2",
            "wide_resnet101_2",
        ),
        *(f"resnet{depth}c" for depth in (50, 101, 152)),
        *(f"resnet{depth}d" for depth in _DEPTHS),
        *("plain18", "plain34"),
    ),
    "resnet_cifar": (
        *(f"{kind}{depth}" for kind in ("resnet", "plain") for depth in _CIFAR_DEPTHS),
        *("resnet164", "resnet1001"),
    ),
    "resnet_cifar_wide": ("resnet18_cifar", "resnet34_cifar"),
    "resnet_preact": tuple(f"resnetv2_{depth}" for depth in _DEPTHS),
    "resnet_identity": tuple(f"resnetv2_{depth}" for depth in (*_CIFAR_DEPTHS, 164, 1001)),
    "vgg": (
        *("vgg11", "vgg11_lrn", "vgg13", "vgg16", "vgg16_c", "vgg19"),
        *("vgg11_bn", "vgg11_lrn_bn", "vgg13_bn", "vgg16_bn", "vgg16_c_bn", "vgg19_bn"),
    ),
    "googlenet": ("googlenet", "googlenet_lrn"),
}
_TIMM = "timm:"
_MODULE_OF = {
    name: f"resnet_backbones.{module}" for module, names in _NAMES_IN.items() for name in names
}


def list_backbones() -> tuple[str, ...]:
    """List the names that `create_backbone` takes, besides `timm:NAME` for any timm model."""
    return tuple(_MODULE_OF)


def create_backbone(
    name: str,
    *,
    weights: str | PathLike[str] | None = None,
    levels: Sequence[str] | None = None,
    norm: Norm = "auto",
    freeze_through: FreezeThrough | None = "auto",
    in_channels: int = 3,
    adapt: "Adaptation" = "auto",
    strict: bool = True,
    output_stride: OutputStride = 32,
    stride_in: StrideIn = "3x3",
    checkpoint_activations: bool = False,
    options: object | None = None,
) -> "Backbone":
    """Build a backbone and load `weights`: a local file, `torchvision:resnet50.IMAGENET1K_V1`,
    `timm:…`, `ours:…` (`list_weights` tells which), or None.

    `levels` is any of c1 (the stem) to c5. None means those from stride 4 on, or all of a CIFAR
    net. Only the stages that they need are built. `norm="auto"` is frozen with weights, otherwise
    batch.
    `freeze_through` is the last stage that is not trained; by default c2 with weights, otherwise
    none. If `in_channels` differs from the weights, `adapt` changes the first convolution: `sum`
    for one channel, `repeat` the trained filters in turn, `mean` for each channel. `auto` is sum
    for one channel, otherwise repeat. Mean and std repeat cyclically; the passport's `adapted`
    records it. Weights must hold all tensors of the backbone; `strict=False` loads those that fit
    and warns.
    `output_stride` 16 or 8 trades strides of the last stages for dilation. `stride_in` is the
    bottleneck's convolution with the stride. `checkpoint_activations` recomputes activations in the
    backward pass to save memory. `options` are the family's own, such as
    `resnet.ResNetOptions(shortcut="C")`. Raises UserError for a wrong argument, for frozen norms
    without weights, and for weights that do not fit or cannot be read.
    """
    _check_source(weights)
    if weights is None and norm == "frozen":
        raise UserError(
            "norm=frozen needs weights, got none: frozen random statistics normalise nothing; "
            "give weights, or use norm=batch, sync or group"
        )
    from resnet_backbones.weights.adapt import check_adaptation

    check_adaptation(adapt)
    spec = BackboneSpec(
        name,
        pretrained=weights is not None,
        levels=levels,
        norm=norm,
        freeze_through=freeze_through,
        in_channels=in_channels,
        output_stride=output_stride,
        stride_in=stride_in,
        checkpoint_activations=checkpoint_activations,
        options=options,
    )
    backbone = build(spec)
    if weights is not None:
        from resnet_backbones.weights.loading import load_weights

        load_weights(backbone, weights, adapt, strict=strict)
    return backbone


def build(spec: BackboneSpec) -> "Backbone":
    """Build a backbone with random weights, for callers that train it or load a state dict.

    Raises UserError for an unknown name, and for a setting that its family does not have.
    """
    family = _family(spec.name)
    family.check(spec)
    return cast("Backbone", family.build(spec))


def _check_source(weights: object) -> None:
    """Raise UserError for weights of another type, such as the True of older libraries."""
    if not isinstance(weights, str | PathLike | None):
        example = "weights='torchvision:resnet50.IMAGENET1K_V1'"
        raise UserError(f"weights must be a name, a file or None, got {weights!r}; say {example}")


def check_name(name: str) -> None:
    """Raise UserError with the list and the nearest names if no backbone has that name."""
    if name not in _MODULE_OF and not name.startswith(_TIMM):
        near = get_close_matches(name, _MODULE_OF, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? Known" if near else "known"
        known = f"timm:NAME, {', '.join(_MODULE_OF)}"
        raise UserError(f"backbone must be a known name, got {name!r}; {hint} are {known}")


def make_options(name: str, values: Mapping[str, Any]) -> object | None:
    """Make the options that `create_backbone` takes for a network, from values by name; None for no
    values.

    UserError for names of options that the family does not have.
    """
    if not values:
        return None
    kind = getattr(_family(name), "OPTIONS", None)
    known = [] if kind is None else [field.name for field in fields(kind)]
    if kind is None or not values.keys() <= set(known):
        raise UserError(
            f"options of {name} must be {', '.join(known) or 'none'}, got {', '.join(values)}"
        )
    return cast(object, kind(**values))


def _family(name: str) -> ModuleType:
    check_name(name)
    return import_module(
        "resnet_backbones.timm_models" if name.startswith(_TIMM) else _MODULE_OF[name]
    )
