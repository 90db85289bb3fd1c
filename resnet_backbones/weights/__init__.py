"""Weights of a backbone: their passport, reading files in everybody's names, writing and
converting.  Names are imported with their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet_backbones.weights.converting import convert_weights
    from resnet_backbones.weights.loading import load_weights
    from resnet_backbones.weights.passport import Passport, PixelNormalizer
    from resnet_backbones.weights.report import PartialWeightsWarning, WeightReport
    from resnet_backbones.weights.saving import save_weights

__all__ = [
    "PartialWeightsWarning",
    "Passport",
    "PixelNormalizer",
    "WeightReport",
    "convert_weights",
    "load_weights",
    "save_weights",
]

_MODULES = {
    "PartialWeightsWarning": "report",
    "Passport": "passport",
    "PixelNormalizer": "passport",
    "WeightReport": "report",
    "convert_weights": "converting",
    "load_weights": "loading",
    "save_weights": "saving",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
