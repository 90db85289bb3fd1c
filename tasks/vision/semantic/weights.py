"""Build a segmenter from weights that are not a checkpoint of ours: torchvision's whole network, or
a backbone's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.weights.contradictions import check_norms
from resnet_backbones.weights.files import Source
from resnet_backbones.weights.loading import COUNTER
from resnet_backbones.weights.passport import Passport
from tasks.errors import few
from tasks.labels import LabelMap
from tasks.vision.load_pretrained import load_pretrained
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter
from tasks.vision.semantic.torchvision_names import (
    TorchvisionKind,
    from_torchvision,
    torchvision_kind,
)
from tasks.vision.settings_semantic import SemanticModelConfig

CONFIGURE = (
    "set model.backbone, model.norm, model.options and model.head to the values it was trained with"
)
_STRIDE = 8  # stride of all torchvision's networks
_BACKGROUND = "__background__"


def segmenter_from_weights(
    config: SemanticModelConfig, label_map: LabelMap, source: Source
) -> tuple[SegmentationNetwork, str]:
    """Build the segmenter with the weights in model.weights, and a line about the loaded weights.

    From torchvision's `fcn_resnet*` and `deeplabv3_resnet*`, released ones and files, the whole
    network is loaded, with the predictor rows of classes of the same name. Other weights are a
    backbone's. Raises UserError if the settings describe another network.
    """
    kind = torchvision_kind(source.tensors)
    if kind is not None:
        return _from_torchvision(config, label_map, source, kind)
    model = build_segmenter(config, label_map.num_classes, found=source)
    return model, str(model.backbone.report)


def named_classes(source: Source, weights: str) -> LabelMap | None:
    """Return the classes named by the weights of a whole segmenter, None if they name none;
    UserError for other weights, as these cannot be scored.
    """
    if torchvision_kind(source.tensors) is None:
        raise UserError(
            f"model.weights={weights} must be of a whole segmenter to be scored, torchvision's or a"
            " checkpoint of ours, got others, such as a backbone's; train one that starts from them"
        )
    return _stated_classes(source.passport)


def trained_segmenter(
    config: SemanticModelConfig, label_map: LabelMap, source: Source
) -> tuple[SegmentationNetwork, str]:
    """Build the segmenter of a whole network's weights as it was trained; UserError if they have
    other classes than the label map.
    """
    rows = len(source.tensors["classifier.4.weight"])
    if rows != label_map.num_classes:
        raise UserError(
            f"model.weights={config.weights} must have the {label_map.num_classes} classes of the"
            f" data, got {rows} without names; set data.classes to those it was trained on"
        )
    return segmenter_from_weights(config, label_map, source)


def _from_torchvision(
    config: SemanticModelConfig, label_map: LabelMap, source: Source, kind: TorchvisionKind
) -> tuple[SegmentationNetwork, str]:
    where = str(config.weights)
    _check_head(config, kind)
    passport = source.passport or Passport(architecture=config.backbone, assumed=True)
    passport = replace(passport, architecture=config.backbone, source=where)
    model = build_segmenter(config, label_map.num_classes, passport=passport)
    state = from_torchvision(source.tensors)
    check_norms(source.tensors, model.backbone, where)
    _check_left_over(state, model, config)
    old, notes = _classes(passport, len(state["head.predictor.weight"]), label_map)
    if config.backbone_stride != _STRIDE:
        notes.append(
            f"note: it was trained with model.output_stride={_STRIDE}, which is"
            f" {config.backbone_stride} now"
        )
    if model.auxiliary is None and any(name.startswith("auxiliary.") for name in state):
        notes.append("its auxiliary head is left out (model.head.auxiliary=0)")
    report = load_pretrained(model, state, old, label_map, what="segmenter", settings=CONFIGURE)
    return model, "; ".join([f"{where}: {report}", *notes])


def _check_head(config: SemanticModelConfig, kind: TorchvisionKind) -> None:
    """Raise UserError if the head is not torchvision's."""
    head = config.head
    if head.kind == kind and head.norm in ("batch", "sync"):
        return
    raise UserError(
        f"model.weights={config.weights} are a whole {kind} network of torchvision, which needs"
        f" model.head.kind={kind} and model.head.norm=batch or sync, got {head.kind} and"
        f" {head.norm}; set them, or take a backbone's weights"
    )


def _check_left_over(
    state: Mapping[str, Tensor], model: SegmentationNetwork, config: SemanticModelConfig
) -> None:
    """Raise UserError for tensors that a smaller network would silently leave out."""
    own = model.state_dict()
    foreign = [
        name
        for name in state
        if name not in own and not name.startswith("auxiliary.") and not name.endswith(COUNTER)
    ]
    if foreign:
        raise UserError(
            f"model.weights={config.weights} must be of model.backbone={config.backbone}, got"
            f" {len(foreign)} tensors that it does not have: {few(foreign)}; {CONFIGURE}"
        )


def _classes(passport: Passport, rows: int, label_map: LabelMap) -> tuple[LabelMap, list[str]]:
    """Return the weights' classes, with notes on them.

    A file does not name them: if their number is right, they are taken as the data's; otherwise
    there are none.
    """
    stated = _stated_classes(passport)
    if stated is not None:
        return stated, []
    if rows == label_map.num_classes:
        return label_map, [f"it does not name its {rows} classes; those of the data are assumed"]
    return LabelMap((), ()), [f"it does not name its {rows} classes"]


def _stated_classes(passport: Passport | None) -> LabelMap | None:
    """Return the classes in a passport, torchvision's background by our name."""
    if passport is None or not passport.label_map:
        return None
    names = tuple("background" if name == _BACKGROUND else name for name in passport.label_map)
    return LabelMap(names, names)
