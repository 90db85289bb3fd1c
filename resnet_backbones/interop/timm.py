"""Backbones by name in timm: after `register_timm()`, `timm.create_model("rb_resnet50", …)`.  B
images.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View
from resnet_backbones.registry import create_backbone, list_backbones


def as_timm(backbone: Backbone) -> nn.Module:
    """Wrap a backbone as a timm feature extractor: a list of maps, and `feature_info`, whose index
    0 is c1.
    """
    return TimmFeatures(backbone)


def register_timm() -> tuple[str, ...]:
    """Register every backbone with timm as `rb_` and its name; return the new names. A second call
    changes nothing.

    Takes `features_only=True` with `out_indices` (0 is c1; negative ones count from the coarsest),
    `in_chans` and `output_stride`. Raises UserError for `pretrained=True`: load a file with
    `resnet_backbones.load_weights`.
    """
    import timm
    from timm.models import register_model

    entries = {f"rb_{name}": _entry(name) for name in list_backbones()}
    for entry in (entry for name, entry in entries.items() if not timm.is_model(name)):
        register_model(entry)
    return tuple(entries)


class TimmFeatures(View):
    """(B, C, H, W) -> [(B, channels, h, w), …], fine to coarse, as described by `feature_info`."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        from timm.models import FeatureInfo

        rows = [
            {
                "num_chs": level.channels,
                "reduction": level.stride,
                "module": level.name,
                "index": index,
            }
            for index, level in enumerate(backbone.levels)
        ]
        self.feature_info = FeatureInfo(rows, tuple(range(len(rows))))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The levels, fine to coarse."""
        return list(self.backbone(images).values())


def _entry(name: str) -> Callable[..., nn.Module]:
    def entrypoint(
        pretrained: bool = False,
        pretrained_cfg: Any = None,
        pretrained_cfg_overlay: Any = None,
        cache_dir: Any = None,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        in_chans: int = 3,
        output_stride: Literal[8, 16, 32] = 32,
    ) -> nn.Module:
        if pretrained or not features_only:
            seen = f"got pretrained={pretrained}, features_only={features_only}"
            way_out = "load files with resnet_backbones.load_weights(model.backbone, path)"
            raise UserError(
                f"rb_{name} needs features_only=True and pretrained=False, {seen}; {way_out}"
            )
        levels = _levels(name, out_indices)
        backbone = create_backbone(
            name, levels=levels, in_channels=in_chans, output_stride=output_stride
        )
        return as_timm(backbone)

    entrypoint.__name__ = f"rb_{name}"
    return entrypoint


def _levels(name: str, out_indices: Sequence[int] | None) -> list[str]:
    with torch.device("meta"):
        coarsest = int(create_backbone(name).levels[-1].name[1:])
    indices = range(coarsest) if out_indices is None else out_indices
    if not all(-coarsest <= index < coarsest for index in indices):
        raise UserError(
            f"out_indices of rb_{name} must be from {-coarsest} to {coarsest - 1}, got"
            f" {tuple(indices)}"
        )
    return [f"c{index % coarsest + 1}" for index in indices]
