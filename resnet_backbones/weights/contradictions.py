"""Refuse weights that were trained for a different network than the one built."""

import sys
from collections.abc import Mapping

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.weights.passport import Passport

_WITHOUT = {"output_stride": 32, "dilation": "torchvision"}
"""Values of these options in networks that do not state them."""


def check_passport(passport: Passport, backbone: Backbone, source: str) -> None:
    """Raise UserError, with the arguments that help, if the passport contradicts the network."""
    wanted = backbone.passport
    assumption = (
        ", which is assumed from its names as it has no passport" if passport.assumed else ""
    )
    if passport.stride_in != wanted.stride_in:
        raise UserError(
            f"weights {source} were trained with the stride in the {passport.stride_in}"
            f" convolution{assumption}, got stride_in={wanted.stride_in}; set"
            f" model.stride_in={passport.stride_in}"
            + (
                ", or name it with `backbones convert-weights --passport stride_in=3x3`"
                if assumption
                else ""
            )
        )
    if passport.pool != wanted.pool:
        raise UserError(
            f"weights {source} were trained with a {passport.pool} max-pool, got"
            f" pool={wanted.pool}; build the backbone with"
            f" options=ResNetOptions(pool={passport.pool!r})"
        )
    if passport.architecture.removeprefix("timm:") != wanted.architecture.removeprefix("timm:"):
        raise UserError(
            f"weights {source} must be of {wanted.architecture}, got {passport.architecture}; "
            f"set model.backbone={passport.architecture} or take other weights"
        )
    _check_options(passport, backbone, source, assumption)


def check_norms(tensors: Mapping[str, Tensor], backbone: Backbone, source: str) -> None:
    """Raise UserError for statistics of batch norms if the network has group norms."""
    statistics = next((name for name in tensors if name.endswith("running_mean")), None)
    if statistics and any(isinstance(module, nn.GroupNorm) for module in backbone.modules()):
        raise UserError(
            f"norm=group needs weights trained with group norm, got batch norm's ({statistics} in"
            f" {source}); use norm=auto, batch, frozen or sync, or no weights"
        )


def _check_options(passport: Passport, backbone: Backbone, source: str, assumption: str) -> None:
    """Refuse weights of other options; options that the file does not state, as in older files,
    contradict nothing.
    """
    wanted = backbone.passport
    timm = wanted.architecture.startswith("timm:")  # whose nets say nothing of what shapes tell
    built = _WITHOUT | wanted.options
    others = {
        n: x for n, x in passport.options.items() if built.get(n) != x and (n in built or not timm)
    }
    if not others:
        return
    trained = _listed(others)
    got = _listed({name: built.get(name) for name in others})
    arguments = (
        [f"output_stride={others.pop('output_stride')}"] if "output_stride" in others else []
    )
    arguments += [f"options={_options_class(backbone)}({_listed(others)})"] if others else []
    raise UserError(
        f"weights {source} were trained with {trained}{assumption}, got {got}; build the network"
        f" with load_backbone or load_classifier, or with {' and '.join(arguments)}"
    )


def _options_class(backbone: Backbone) -> str:
    """Name of the options class of the network's family."""
    module = type(backbone).__module__
    kind = getattr(sys.modules[module], "OPTIONS", None)
    return "…" if kind is None else f"{module}.{kind.__name__}"


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
