"""Any timm model with feature maps, behind our contract: `timm:convnext_tiny`.  B images of C
channels, H x W pixels.

Keys of the state dict are timm's own, so that timm's weights load as they are.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.family import choose_levels, described, refuse_foreign
from resnet_backbones.features import Backbone, FeatureLevel
from resnet_backbones.spec import BackboneSpec, NormName
from resnet_backbones.weights.passport import IMAGENET_MEAN, IMAGENET_STD, Passport

_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
"""Arguments that let timm's transformers take any image size; convolutional nets take none of
them."""
_PREFIX = "model."


class TimmBackbone(Backbone):
    """A timm model up to the coarsest requested level.

    Levels are named after their stride, c1 for 2 to c6 for 64; of several maps with one stride the
    last is used. Maps (B, h, w, C) are returned as (B, C, h, w). Norms are the model's own; batch
    norms can be frozen or synchronised.
    """

    def __init__(self, spec: BackboneSpec) -> None:
        name = spec.name
        output_stride = spec.output_stride
        size_settings = _check_model(name)
        places = _places(_create(name, size_settings, "meta"), name)
        names = tuple(places)
        default = tuple(level for level in names if int(level[1:]) >= 2)
        chosen = choose_levels(default if spec.levels is None else spec.levels, names)
        model = _create(name, size_settings | _settings(spec.in_channels, output_stride), None)
        outputs = _feature_levels(model, places, chosen, name, output_stride)
        super().__init__(outputs, _passport(model, name, spec.in_channels, output_stride))
        paths = {level: str(model.feature_info[index]["module"]) for level, index in places.items()}
        self.indices = [places[level] for level in chosen]
        model.prune_intermediate_layers(self.indices, prune_norm=True, prune_head=True)
        self.model = _with_norm(model, spec.norm_name, name)
        self.register_state_dict_post_hook(_take_prefix_off)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_put_prefix_on)  # type: ignore[no-untyped-call]
        self._paths = paths
        self.settle(spec)

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """Names of the modules to freeze for `freeze_through`; UserError if timm has no such
        module.
        """
        return _modules_through(self.model, level, self._paths, self.passport.architecture)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """As in any backbone; UserError for a model that timm cannot recompute."""
        self.checkpoint_activations = enable
        try:
            self.model.set_grad_checkpointing(enable)
        except (AssertionError, AttributeError) as error:
            if enable:
                raise UserError(
                    f"checkpoint_activations must be False for {self.passport.architecture}: timm"
                    " cannot recompute it"
                ) from error

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        maps = self.model.forward_intermediates(
            images, indices=self.indices, output_fmt="NCHW", intermediates_only=True
        )
        return {level.name: x for level, x in zip(self.levels, maps, strict=True)}


def check(spec: BackboneSpec) -> None:
    """Raise UserError for settings that no timm model has; others are checked when the model is
    built.
    """
    refuse_foreign(spec)
    if spec.norm == "group":
        raise UserError(
            f"norm must be auto, batch, frozen or sync for {spec.name}, got group; take a _gn"
            " model of timm's"
        )


build = TimmBackbone


def _check_model(name: str) -> dict[str, Any]:
    """Raise UserError for an unknown model; otherwise return the settings that make the model take
    any image size.
    """
    import timm

    bare = name.removeprefix("timm:")
    if not timm.is_model(bare):
        near = get_close_matches(bare, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(f'timm:{other}' for other in near)}?" if near else ""
        raise UserError(f"backbone timm:… must name a timm model, got {name!r}{hint}")
    for settings in _ANY_SIZE:
        try:
            _create(name, settings, "meta")
        except TypeError:  # the model has no such argument
            continue
        return settings
    raise UserError(
        f"backbone {name} cannot be built by timm without arguments; take another model"
    )


def _create(name: str, settings: dict[str, Any], device: str | None) -> Any:
    import timm

    device = str(torch.get_default_device()) if device is None else device
    try:
        with torch.device(device):
            return timm.create_model(name.removeprefix("timm:"), pretrained=False, **settings)
    except (AssertionError, NotImplementedError, TypeError) as error:
        if "output_stride" not in settings:
            raise
        raise UserError(
            f"output_stride must be 32 for {name}, which timm builds with no other, got"
            f" {settings['output_stride']}"
        ) from error


def _settings(in_channels: int, output_stride: int) -> dict[str, Any]:
    channels = {} if in_channels == 3 else {"in_chans": in_channels}
    return channels if output_stride == 32 else {**channels, "output_stride": output_stride}


def _places(model: Any, name: str) -> dict[str, int]:
    """Level name -> index of timm's feature map, fine to coarse."""
    if not getattr(model, "feature_info", None) or not hasattr(model, "forward_intermediates"):
        raise UserError(
            f"backbone {name} must have feature maps in timm, got none; take another model"
        )
    found = {int(info["reduction"]): index for index, info in enumerate(model.feature_info)}
    return {f"c{stride.bit_length() - 1}": index for stride, index in sorted(found.items())}


def _feature_levels(
    model: Any, places: dict[str, int], chosen: Sequence[str], name: str, output_stride: int
) -> tuple[FeatureLevel, ...]:
    infos = {level: model.feature_info[places[level]] for level in chosen}
    if max(info["reduction"] for info in model.feature_info) > output_stride < 32:
        raise UserError(
            f"output_stride must be 32 for {name}, which timm builds with no other, got"
            f" {output_stride}"
        )
    return tuple(
        FeatureLevel(level, int(info["num_chs"]), int(info["reduction"]))
        for level, info in infos.items()
    )


def _passport(model: Any, name: str, in_channels: int, output_stride: int) -> Passport:
    config = model.pretrained_cfg
    mean, std = tuple(config.get("mean", IMAGENET_MEAN)), tuple(config.get("std", IMAGENET_STD))
    eps = next(
        (module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)), 1e-5
    )
    told = described(None, output_stride)
    return Passport(
        architecture=name, mean=mean, std=std, norm_eps=eps, options=told
    ).with_channels(in_channels)


def _with_norm(model: Any, norm: NormName, name: str) -> Any:
    from timm.layers import convert_sync_batchnorm, freeze_batch_norm_2d

    if norm == "frozen":
        return freeze_batch_norm_2d(model)
    if norm == "sync" and not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        raise UserError(f"norm must be auto for {name}, which has no batch norms, got sync")
    return convert_sync_batchnorm(model) if norm == "sync" else model


def _modules_through(
    model: Any, level: str | None, paths: dict[str, str], name: str
) -> tuple[str, ...]:
    """Modules that timm registers before the end of a level's module, or before the first level's
    module for the stem.
    """
    if level is None:
        return ()
    if model._parameters:
        raise UserError(
            f"freeze_through must be none for {name}, whose {next(iter(model._parameters))} has no"
            " stage"
        )
    level = "c1" if level == "stem" and "c1" in paths else level
    path = paths.get(level, next(iter(paths.values()))).split(".")
    found = [] if level not in paths else [".".join(path)]
    for depth, part in enumerate(path):
        parent = ".".join(path[:depth])
        siblings = [child for child, _ in model.get_submodule(parent).named_children()]
        if part not in siblings:
            raise UserError(
                f"freeze_through must be none for {name}, whose map {'.'.join(path)} is not of one"
                " module"
            )
        found += [".".join([*path[:depth], child]) for child in siblings[: siblings.index(part)]]
    return tuple(_PREFIX + module for module in found)


def _take_prefix_off(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    for key in [key for key in state if key.startswith(prefix + _PREFIX)]:
        state[prefix + key.removeprefix(prefix + _PREFIX)] = state.pop(key)


def _put_prefix_on(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        state[prefix + _PREFIX + key.removeprefix(prefix)] = state.pop(key)
