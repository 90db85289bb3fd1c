"""Export backbones as ONNX files; the outputs have the names of the levels."""

from pathlib import Path
from typing import Any

import torch

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone

INPUT = "images"
AXES = {0: "batch", 2: "height", 3: "width"}


def export_onnx(
    backbone: Backbone,
    path: str | Path,
    *,
    size: tuple[int, int] = (224, 224),
    dynamic: bool = True,
    **options: Any,
) -> None:
    """Write a backbone in evaluation mode to an .onnx file, from normalised `images` (B, C, H, W)
    to its levels by name, fine to coarse.

    `size` is the (height, width) that is traced. With `dynamic`, batch and size may differ later;
    otherwise they are 1 and `size`. `options` go to `torch.onnx.export`, such as `opset_version`,
    or `dynamo=False` for its older exporter. The backbone's mode does not change. Raises UserError
    if the packages onnx and onnxscript are missing.
    """
    images = torch.zeros(2 if dynamic else 1, len(backbone.passport.mean), *size)
    images = images.to(next(backbone.parameters()))
    if not dynamic:
        axes: dict[str, Any] = {}
    elif options.get("dynamo", True):
        dimensions = dict.fromkeys(AXES, torch.export.Dim.DYNAMIC)
        axes = {"dynamic_shapes": (dimensions,)}
    else:
        names = [level.name for level in backbone.levels]
        axes = {"dynamic_axes": {INPUT: AXES} | dict.fromkeys(names, AXES)}
    training = backbone.training
    backbone.eval()
    try:
        torch.onnx.export(
            backbone,
            (images,),
            str(path),
            input_names=[INPUT],
            output_names=[level.name for level in backbone.levels],
            **{"verbose": False, **axes, **options},
        )
    except ModuleNotFoundError as error:
        raise UserError(
            f"ONNX files need the packages onnx and onnxscript, got no {error.name};"
            " pip install 'resnet-backbones[onnx]'"
        ) from error
    finally:
        backbone.train(training)
