"""Backbones by name. Names and near misses are known without importing torch."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from resnet_backbones.features import Backbone

Norm = Literal["auto", "batch", "frozen", "sync", "group"]
FreezeThrough = Literal["auto", "none", "stem", "c2", "c3", "c4", "c5"]

_MODULE_OF = {
    "resnet18": "resnet_backbones.resnet",
    "resnet34": "resnet_backbones.resnet",
    "resnet50": "resnet_backbones.resnet",
    "resnet101": "resnet_backbones.resnet",
    "resnet152": "resnet_backbones.resnet",
}


def list_backbones() -> tuple[str, ...]:
    """Names that `create_backbone` takes."""
    return tuple(_MODULE_OF)


def create_backbone(
    name: str,
    *,
    weights: str | None = None,
    levels: Sequence[str] | None = None,
    norm: Norm = "auto",
    freeze_through: FreezeThrough | None = "auto",
    in_channels: int = 3,
    output_stride: Literal[8, 16, 32] = 32,
    stride_in: Literal["3x3", "1x1"] = "3x3",
    checkpoint_activations: bool = False,
) -> "Backbone":
    """Build a backbone and load `weights`: a local file, `torchvision:resnet50.IMAGENET1K_V1`, `timm:…`, or None.

    `levels` is any of c1 (the stem) to c5, None being c2 to c5; no more is built than they need. `norm="auto"` is
    frozen with weights, else batch; `freeze_through`, the last stage that is not trained, is by default c2 with
    weights, else none. `in_channels` other than 3 adapts the first convolution's weights, and mean and std repeat
    cyclically. `output_stride` 16 or 8 trades strides of the last stages for dilation. `stride_in` is the bottleneck's
    convolution with the stride. `checkpoint_activations` recomputes activations in the backward pass to save memory.
    ValueError for a wrong argument, for frozen norms without weights, and for weights that do not fit or cannot be had.
    """
    if weights is None and norm == "frozen":
        raise ValueError(
            "norm=frozen needs weights, got none: frozen random statistics normalise nothing; "
            "give weights, or use norm=batch, sync or group"
        )
    backbone = build_backbone(
        name,
        pretrained=weights is not None,
        levels=levels,
        norm=norm,
        freeze_through=freeze_through,
        in_channels=in_channels,
        output_stride=output_stride,
        stride_in=stride_in,
        checkpoint_activations=checkpoint_activations,
    )
    if weights is not None:
        from resnet_backbones.weights import load_weights

        load_weights(backbone, weights)
    return backbone


def build_backbone(
    name: str,
    *,
    pretrained: bool,
    levels: Sequence[str] | None = None,
    norm: Norm = "auto",
    freeze_through: FreezeThrough | None = "auto",
    in_channels: int = 3,
    output_stride: Literal[8, 16, 32] = 32,
    stride_in: Literal["3x3", "1x1"] = "3x3",
    checkpoint_activations: bool = False,
) -> "Backbone":
    """Build a backbone with random weights, for callers that load a state dict themselves (`pretrained`) or train it.

    The other arguments are those of `create_backbone`, `auto` meaning what it means there with weights if `pretrained`.
    """
    if norm not in ("auto", "batch", "frozen", "sync", "group"):
        raise ValueError(f"norm must be auto, batch, frozen, sync or group, got {norm!r}")
    if freeze_through not in (None, "auto", "none", "stem", "c2", "c3", "c4", "c5"):
        raise ValueError(f"freeze_through must be auto, none, stem, c2, c3, c4 or c5, got {freeze_through!r}")
    if stride_in not in ("3x3", "1x1"):
        raise ValueError(f"stride_in must be 3x3 or 1x1, got {stride_in!r}")
    if in_channels < 1:
        raise ValueError(f"in_channels must be >= 1, got {in_channels}")
    norm = ("frozen" if pretrained else "batch") if norm == "auto" else norm
    freeze_through = ("c2" if pretrained else None) if freeze_through == "auto" else freeze_through
    return _builder(name)(
        name,
        levels=("c2", "c3", "c4", "c5") if levels is None else levels,
        norm=norm,
        freeze_through=None if freeze_through == "none" else freeze_through,
        in_channels=in_channels,
        output_stride=output_stride,
        stride_in=stride_in,
        checkpoint_activations=checkpoint_activations,
    )


def check_name(name: str) -> None:
    """Raise ValueError with the list and the nearest names where no backbone is called so."""
    if name not in _MODULE_OF:
        near = get_close_matches(name, _MODULE_OF, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"backbone must be one of {', '.join(_MODULE_OF)}, got {name!r}{hint}")


def _builder(name: str) -> Callable[..., "Backbone"]:
    check_name(name)
    return cast(Callable[..., "Backbone"], import_module(_MODULE_OF[name]).ResNet)
