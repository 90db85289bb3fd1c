"""A backbone and a head as one image classifier, whose state dict has the field's names.

B images of C channels, H x W pixels; K classes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec, FreezeThrough, Norm, StrideIn
from resnet_backbones.weights.adapt import Adaptation, check_adaptation
from resnet_backbones.weights.loading import load_tensors, torchvision_names
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.sources import read_source

_BACKBONE = "backbone."
_HEAD = "head."
_LOADED = "is loaded"


class Classifier(nn.Module):
    """(B, C, H, W) -> logits (B, K).

    In the state dict the backbone's and the head's names stand side by side, as in torchvision and
    timm, whose files therefore load, and whose models load its state dict.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.ModuleDict(backbone.classifier_head(num_classes))
        self.register_state_dict_post_hook(_flatten)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_nest)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of normalised images (B, C, H, W)."""
        return self.forward_all(images)["main"]

    def forward_all(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by head: `main`, and in training those of auxiliary heads where the family has
        them, (B, K) each.
        """
        return self.backbone.logits(images, dict(self.head.items()))


def create_classifier(
    name: str,
    *,
    num_classes: int = 1000,
    weights: str | None = None,
    norm: Norm = "batch",
    freeze_through: FreezeThrough | None = None,
    in_channels: int = 3,
    adapt: Adaptation = "auto",
    stride_in: StrideIn = "3x3",
    checkpoint_activations: bool = False,
    options: object | None = None,
) -> Classifier:
    """Build a classifier with `weights` as in `create_backbone`, whose other arguments are the
    same.

    Modules of the head that the weights have for `num_classes` classes are loaded too, the others
    stay random; the backbone's report says which. UserError for a wrong argument, and for weights
    that do not fit or cannot be had.
    """
    if num_classes < 1:
        raise UserError(f"num_classes must be >= 1, got {num_classes}")
    check_adaptation(adapt)
    spec = BackboneSpec(
        name,
        pretrained=weights is not None,
        norm=norm,
        freeze_through=freeze_through,
        in_channels=in_channels,
        stride_in=stride_in,
        checkpoint_activations=checkpoint_activations,
        options=options,
    )
    backbone = build(spec)
    classifier = Classifier(backbone, num_classes)
    if weights is not None:
        tensors, passport = read_source(weights)
        report = load_tensors(backbone, tensors, passport, weights, adapt)
        notes = tuple(_load_head(classifier.head, torchvision_names(tensors, backbone)[0]))
        backbone.report = replace(report, notes=(*report.notes, *notes))
        if passport is not None and all(note.endswith(_LOADED) for note in notes):
            _check_labels(passport, num_classes, weights)
            backbone.passport = replace(backbone.passport, label_map=passport.label_map)
    return classifier


def _load_head(head: nn.ModuleDict, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """Load the modules that `tensors` hold whole and in the right shape, and tell of each."""
    for name, module in head.items():
        wanted = {key: x.shape for key, x in module.state_dict(prefix=f"{name}.").items()}
        found = {
            key: tensors[key]
            for key in wanted
            if key in tensors and tensors[key].shape == wanted[key]
        }
        if wanted and len(found) == len(wanted):
            module.load_state_dict({key.removeprefix(f"{name}."): x for key, x in found.items()})
        if wanted:
            fate = (
                _LOADED if len(found) == len(wanted) else "is random, as none of its shape is there"
            )
            yield f"head: {name} {fate}"


def _check_labels(passport: Passport, num_classes: int, source: str) -> None:
    named = len(passport.label_map)
    if named not in (0, num_classes):
        raise UserError(
            f"weights {source} must name the {num_classes} classes that they tell apart, got a"
            f" label_map of {named}; mend it with `backbones convert-weights --passport"
            " label_map=[…]`"
        )


def _flatten(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    """Take `backbone.` and `head.` off, in the order of the tensors."""
    for name in [name for name in state if name.startswith(prefix)]:
        bare = name.removeprefix(prefix)
        owner = _BACKBONE if bare.startswith(_BACKBONE) else _HEAD
        state[prefix + bare.removeprefix(owner)] = state.pop(name)


def _nest(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Put them on again; what the head has no module for is the backbone's."""
    assert isinstance(module, Classifier)
    for name in [name for name in state if name.startswith(prefix)]:
        bare = name.removeprefix(prefix)
        owner = _HEAD if bare.partition(".")[0] in module.head else _BACKBONE
        state[prefix + owner + bare] = state.pop(name)
