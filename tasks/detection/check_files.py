"""Are the files that the settings name there?  Imports no torch, so that it answers at once."""

from __future__ import annotations

from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.datasets.coco.layout import locate_split
from tasks.detection.config import DetectionConfig
from tasks.engine.run_files import LAST


def check_files(config: DetectionConfig) -> None:
    """Raise UserError where a split's images or annotations, listing what was tried, or the
    weights are not there.
    """
    data = config.data
    locate_split(data.root, "train", data.train.images, data.train.annotations)
    locate_split(data.root, "val", data.val.images, data.val.annotations)
    last = Path(config.run.output_dir) / LAST
    needs_weights = config.run.resume == "never" or not last.exists()
    weights = config.model.weights
    if weights is None or not needs_weights or weights.startswith(("torchvision:", "timm:")):
        return
    if not Path(weights).exists():
        kinds = (
            "an existing file or run folder, torchvision:<model>.<weights> or timm:<model>.<tag>"
        )
        way_out = "check the path, or set model.weights=null to start from scratch"
        raise UserError(f"model.weights must be {kinds}, got {weights}; {way_out}")
