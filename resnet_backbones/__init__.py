"""ResNet feature maps for detectors and segmenters. Importing this is fast: torch is imported at
the first use.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from resnet_backbones.classifier import Classifier, create_classifier
    from resnet_backbones.errors import UserError
    from resnet_backbones.features import Backbone, FeatureLevel
    from resnet_backbones.from_file import load_backbone, load_classifier
    from resnet_backbones.registry import build, create_backbone, list_backbones
    from resnet_backbones.spec import BackboneSpec
    from resnet_backbones.weights.loading import load_weights
    from resnet_backbones.weights.passport import Passport, PixelNormalizer
    from resnet_backbones.weights.report import WeightReport
    from resnet_backbones.weights.saving import save_weights
    from resnet_backbones.zoo.catalogue import PublishedWeights, list_weights

__all__ = [
    "Backbone",
    "BackboneSpec",
    "Classifier",
    "FeatureLevel",
    "Passport",
    "PixelNormalizer",
    "PublishedWeights",
    "UserError",
    "WeightReport",
    "__version__",
    "build",
    "create_backbone",
    "create_classifier",
    "list_backbones",
    "list_weights",
    "load_backbone",
    "load_classifier",
    "load_weights",
    "save_weights",
]

_MODULES = {
    "Backbone": "features",
    "BackboneSpec": "spec",
    "Classifier": "classifier",
    "FeatureLevel": "features",
    "Passport": "weights.passport",
    "PixelNormalizer": "weights.passport",
    "PublishedWeights": "zoo.catalogue",
    "UserError": "errors",
    "WeightReport": "weights.report",
    "build": "registry",
    "create_backbone": "registry",
    "create_classifier": "classifier",
    "list_backbones": "registry",
    "list_weights": "zoo.catalogue",
    "load_backbone": "from_file",
    "load_classifier": "from_file",
    "load_weights": "weights.loading",
    "save_weights": "weights.saving",
}


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it, the first time it is asked for."""
    if name == "__version__":
        return version("resnet-backbones")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
