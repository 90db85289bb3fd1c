"""Join a backbone and a head to an image classifier with the field's names in its state dict.

B images of C channels, H x W pixels; K classes.
"""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike, fspath
from typing import Any, Literal, get_args

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec, FreezeThrough, Norm, StrideIn
from resnet_backbones.weights.adapt import Adaptation, check_adaptation
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.loading import COUNTER, fits, is_finite, load_tensors
from resnet_backbones.weights.naming import for_network
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.report import shorten
from resnet_backbones.weights.sources import read_source

_BACKBONE = "backbone."
_HEAD = "head."
_AUXILIARY = "aux"
"""Beginning of the names of heads that are for training only, as in torchvision."""
_CLASSES = 1000  # of ImageNet
HeadSource = Literal["load", "new"]


class Classifier(nn.Module):
    """(B, C, H, W) -> logits (B, K).

    In the state dict the backbone's and the head's names stand side by side, as in torchvision and
    timm. So their files load here, and their models load its state dict.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = backbone
        self.head = backbone.classifier_head(num_classes)
        self.register_state_dict_post_hook(_flatten)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_nest)  # type: ignore[no-untyped-call]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of normalised images (B, C, H, W)."""
        return self.forward_all(images)["main"]

    def dense(self, images: Tensor) -> Tensor:
        """Logits (B, K) of normalised images of any size: the mean over every place where the head
        fits, as if its layers were convolutions. Raises UserError for images that are too small.
        """
        return self.head.dense(self.backbone(images))

    def forward_all(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by head, (B, K) each: `main`, in training also those of the family's auxiliary
        heads, if any.
        """
        return self.backbone.logits(images, self.head)


def create_classifier(
    name: str,
    *,
    num_classes: int | None = None,
    weights: str | PathLike[str] | None = None,
    head: HeadSource = "load",
    norm: Norm = "batch",
    freeze_through: FreezeThrough | None = None,
    in_channels: int = 3,
    adapt: Adaptation = "auto",
    strict: bool = True,
    stride_in: StrideIn = "3x3",
    checkpoint_activations: bool = False,
    options: object | None = None,
) -> Classifier:
    """Build a classifier; the arguments of `create_backbone` mean the same, and `strict` is for the
    backbone.

    The head is loaded too, and the file must hold it for `num_classes` classes. None means the
    classes that the passport of the weights names, or 1000. With `head="new"` the head starts at
    random. Auxiliary heads are for training only, and start at random if the file has none. The
    backbone's report says which. Raises UserError for a wrong argument, and for weights that do not
    fit or cannot be read.
    """
    if num_classes is not None and num_classes < 1:
        raise UserError(f"num_classes must be >= 1, got {num_classes}")
    if head not in get_args(HeadSource):
        raise UserError(f"head must be load or new, got {head!r}")
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
    if weights is None:
        return Classifier(backbone, num_classes or _CLASSES)
    weights = fspath(weights)
    found = read_source(weights)
    named = () if found.passport is None or head == "new" else found.passport.label_map
    classifier = Classifier(backbone, num_classes or len(named) or _CLASSES)
    fill_classifier(classifier, found, weights, head, adapt, strict=strict)
    return classifier


def fill_classifier(
    classifier: Classifier,
    found: Source,
    source: str,
    head: HeadSource = "load",
    adapt: Adaptation = "auto",
    *,
    strict: bool = True,
) -> None:
    """Load the weights found at `source` into a classifier, as `create_classifier` does."""
    backbone = classifier.backbone
    tensors, passport = for_network(
        found.tensors, found.passport, classifier.state_dict().keys(), backbone.passport, source
    )
    report = load_tensors(
        backbone, tensors, passport, source, adapt, strict=strict, notes=found.notes
    )
    loaded = _load_head(classifier, tensors, source) if head == "load" else []
    parts = [name for name, module in classifier.head.items() if module.state_dict()]
    mine = {name for name in classifier.state_dict() if name.partition(".")[0] in loaded}
    backbone.report = replace(
        report,
        unexpected=tuple(name for name in report.unexpected if name not in mine),
        head_loaded=tuple(loaded),
        head_new=tuple(name for name in parts if name not in loaded),
    )
    if loaded:
        _check_labels(passport, classifier.num_classes, source)
        backbone.passport = replace(backbone.passport, label_map=passport.label_map)


def last_bias(backbone: Backbone) -> str:
    """Name of the head's tensor that has one value per class."""
    modules = backbone.classifier_head(1).items()
    main = {name: module for name, module in modules if not name.startswith(_AUXILIARY)}
    return [f"{name}.{key}" for name, module in main.items() for key in module.state_dict()][-1]


def _load_head(classifier: Classifier, tensors: Mapping[str, Tensor], source: str) -> list[str]:
    """Load the head's modules and return their names; UserError if the main one is missing, or
    any has another shape.
    """
    loaded = []
    for name, module in classifier.head.items():
        wanted = {
            key: tensor
            for key, tensor in module.state_dict(prefix=f"{name}.").items()
            if not key.endswith(COUNTER)
        }
        if not wanted or (name.startswith(_AUXILIARY) and not wanted.keys() & tensors.keys()):
            continue
        if not all(key in tensors and fits(tensors[key], wanted[key]) for key in wanted):
            raise _head_error(classifier, wanted, tensors, source)
        module.load_state_dict(
            {key.removeprefix(f"{name}."): tensors[key] for key in wanted}, strict=False
        )
        loaded.append(name)
    return loaded


def _head_error(
    classifier: Classifier, wanted: dict[str, Tensor], tensors: Mapping[str, Tensor], source: str
) -> UserError:
    """Message with the head that is needed, the one in the file, and the way out."""
    amiss = {k: x for k, x in wanted.items() if k not in tensors or not fits(tensors[k], x)}
    stages = {name for name, _ in classifier.backbone.named_children()}
    others = {key: x for key, x in tensors.items() if key.partition(".")[0] not in stages}
    seen = {key: tensors[key] for key in amiss if key in tensors} or others
    way_out = "head='new' for one that starts at random"
    last = next(reversed(wanted))
    if last in amiss and last in tensors and tensors[last].shape != wanted[last].shape:
        way_out = f"num_classes={len(tensors[last])}, or {way_out}"
    return UserError(
        f"weights {source} must hold the head for num_classes={classifier.num_classes}, with finite"
        f" {_listed(amiss)}, got {_listed(seen) or 'none'}; use {way_out}"
    )


def _listed(tensors: Mapping[str, Tensor]) -> str:
    return shorten([f"{name} {_shape(tensor)}" for name, tensor in tensors.items()])


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)}" + ("" if is_finite(tensor) else " with values not finite")


def _check_labels(passport: Passport, num_classes: int, source: str) -> None:
    named = len(passport.label_map)
    if named not in (0, num_classes):
        raise UserError(
            f"weights {source} must name the {num_classes} classes that they tell apart, got a"
            f" label_map of {named}; correct it with `backbones convert-weights --passport"
            " label_map=[…]`"
        )


def _flatten(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    """Remove the prefixes `backbone.` and `head.`, in the order of the tensors."""
    for name in [name for name in state if name.startswith(prefix)]:
        bare = name.removeprefix(prefix)
        owner = _BACKBONE if bare.startswith(_BACKBONE) else _HEAD
        state[prefix + bare.removeprefix(owner)] = state.pop(name)


def _nest(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Add these prefixes again; names of no module of the head belong to the backbone."""
    assert isinstance(module, Classifier)
    for name in [name for name in state if name.startswith(prefix)]:
        bare = name.removeprefix(prefix)
        owner = _HEAD if bare.partition(".")[0] in module.head else _BACKBONE
        state[prefix + owner + bare] = state.pop(name)
