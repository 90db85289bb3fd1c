"""Check that the weights of model.weights exist. Imports no torch, so that it answers at once."""

from __future__ import annotations

from pathlib import Path

from resnet_backbones.errors import UserError
from resnet_backbones.zoo.catalogue import PREFIX, find_weights
from tasks.engine.run_files import LAST, shipped_checkpoint
from tasks.engine.settings import RunConfig

_ELSEWHERE = ("torchvision:", "timm:")  # these names are checked once torch is imported


def weights_to_score(weights: str | None, run: RunConfig) -> str:
    """Return the weights to score without a run; UserError if the settings name none, or if they do
    not exist.
    """
    if weights is None:
        rule = "model.weights=FILE must name weights if settings are scored without a run"
        raise UserError(f"{rule}, got none; to score a run, give its folder")
    check_weights(weights, run)
    return weights


def check_weights(weights: str | None, run: RunConfig) -> None:
    """Raise UserError if the weights do not exist, unless the run is resumed without them."""
    last = Path(run.output_dir) / LAST
    continues = run.resume == "auto" and last.exists()
    resumed = continues or run.resumed_file is not None
    if weights is None or resumed or weights.startswith(_ELSEWHERE):
        return
    if weights.startswith(PREFIX):
        if shipped_checkpoint(weights) is None:
            find_weights(weights)
    elif not Path(weights).exists():
        kinds = (
            "an existing file or run folder, torchvision:<model>.<weights>, timm:<model>.<tag> or"
            " ours:<name>"
        )
        way_out = "check the path, or set model.weights=null to start from scratch"
        raise UserError(f"model.weights must be {kinds}, got {weights}; {way_out}")
