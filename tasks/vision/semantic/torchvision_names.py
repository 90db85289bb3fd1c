"""Convert weights of torchvision's segmentation networks to our names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from tasks.vision.foreign_names import rename_tensors

TorchvisionKind = Literal["fcn", "deeplabv3"]
_ASPP = "classifier.0.convs."
_COMMON = (
    ("backbone.", "backbone."),
    ("aux_classifier.0.", "auxiliary.hidden.0."),
    ("aux_classifier.1.", "auxiliary.hidden.1."),
    ("aux_classifier.4.", "auxiliary.predictor."),
    ("classifier.4.", "head.predictor."),
)
_PREFIXES: dict[TorchvisionKind, tuple[tuple[str, str], ...]] = {
    "fcn": (
        *_COMMON,
        ("classifier.0.", "head.hidden.0."),
        ("classifier.1.", "head.hidden.1."),
    ),
    "deeplabv3": (
        *_COMMON,
        *((f"{_ASPP}{branch}.", f"head.aspp.branches.{branch}.") for branch in range(4)),
        (f"{_ASPP}4.1.", "head.aspp.pooled.0."),
        (f"{_ASPP}4.2.", "head.aspp.pooled.1."),
        ("classifier.0.project.", "head.aspp.project."),
        ("classifier.1.", "head.hidden.0."),
        ("classifier.2.", "head.hidden.1."),
    ),
}


def torchvision_kind(state: Mapping[str, Tensor]) -> TorchvisionKind | None:
    """Return the head of a torchvision network `fcn_resnet*` or `deeplabv3_resnet*`; None for other
    weights.
    """
    if "backbone.conv1.weight" not in state or "classifier.4.weight" not in state:
        return None
    return "deeplabv3" if any(name.startswith(_ASPP) for name in state) else "fcn"


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the state dict of a `torchvision.models.segmentation.fcn_resnet*` or
    `deeplabv3_resnet*`.

    Its classes keep their places, with the background first. Raises UserError with the first name
    that has no place here.
    """
    kind = torchvision_kind(state) or "fcn"
    whose = "torchvision's fcn_resnet* or deeplabv3_resnet*"
    return rename_tensors(state, _PREFIXES[kind], whose)
