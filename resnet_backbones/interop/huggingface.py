"""Backbones in Hugging Face's transformers.  B images."""

from functools import cache
from typing import Any, Self

from torch import Tensor

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.view import View

TYPE = "rb_backbone"


def as_huggingface(backbone: Backbone) -> Any:
    """Make the `backbone_config` for a transformers model with this backbone:
    `UperNetConfig(backbone_config=…)`.

    Models made from it share the backbone's tensors. A saved configuration does not hold them: read
    a saved model with `from_pretrained(folder, config=…)` and a new configuration.
    """
    config = _config_class()()
    config.held = _Held(backbone)
    names = [level.name for level in backbone.levels]
    config.stage_names, config.out_features, config.out_indices = (
        names,
        names,
        list(range(len(names))),
    )
    return config


class HuggingfaceView(View):
    """(B, C, H, W) -> BackboneOutput, whose `feature_maps` are ((B, channels, h, w), …), fine to
    coarse.
    """

    def __init__(self, backbone: Backbone, config: Any) -> None:
        super().__init__(backbone)
        self.config = config
        self.stage_names = self.out_features = [level.name for level in backbone.levels]
        self.out_indices = list(range(len(backbone.levels)))
        self.num_features = self.channels = [level.channels for level in backbone.levels]
        for module in self.modules():
            module._is_hf_initialized = True  # type: ignore[assignment]  # else the model would draw new weights

    def train(self, mode: bool = True) -> Self:
        """Set training mode; frozen parts stay so, although `from_pretrained` puts new parameters
        in their place.
        """
        self.backbone.freeze(self.backbone.frozen_modules)
        return super().train(mode)

    @classmethod
    def _from_config(cls, config: Any, **rest: Any) -> Self:
        """Build the backbone of a model; transformers calls it."""
        if config.held is None:
            rule = (
                f"a {TYPE} configuration must come from as_huggingface(backbone), as files hold no"
                " backbone"
            )
            raise UserError(
                f"{rule}, got one read from a file; use from_pretrained(folder, config=…)"
            )
        return cls(config.held.backbone, config)

    def forward(self, pixel_values: Tensor, **rest: Any) -> Any:
        """The levels, fine to coarse, of normalised images; other arguments of transformers'
        backbones are ignored.
        """
        from transformers.modeling_outputs import BackboneOutput

        return BackboneOutput(feature_maps=tuple(self.backbone(pixel_values).values()))

    def forward_with_filtered_kwargs(self, pixel_values: Tensor, **rest: Any) -> Any:
        """Called by transformers' models instead of `forward`."""
        return self(pixel_values)


class _Held:
    """Holds a backbone in a configuration; copies of the configuration share the backbone."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


@cache
def _config_class() -> Any:
    """The configuration's class, registered with transformers."""
    from transformers import AutoBackbone, AutoConfig, PretrainedConfig

    class RBBackboneConfig(PretrainedConfig):  # type: ignore[misc]
        model_type = TYPE
        held: _Held | None = None

        def to_dict(self) -> dict[str, Any]:
            return {name: value for name, value in super().to_dict().items() if name != "held"}

    AutoConfig.register(TYPE, RBBackboneConfig)
    AutoBackbone.register(RBBackboneConfig, HuggingfaceView)
    return RBBackboneConfig
