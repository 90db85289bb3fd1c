"""The contract between a backbone and its users.  B images of C channels, H x W pixels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, overload

from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.rows import Stage
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.report import WeightReport


@dataclass(frozen=True)
class FeatureLevel:
    """One feature map that a module makes or takes."""

    name: str
    """`c1` (the stem) to `c5` for backbones, `p2` to `p6` for pyramids."""
    channels: int
    stride: int
    """Nominal number of input pixels per feature cell; real maps round their size up."""


class Head(nn.ModuleDict):
    """Modules that turn maps into logits of K classes, under the field's names.

    This one is a linear layer `fc` on the mean over the coarsest map.
    """

    def __init__(self, level: str, modules: Mapping[str, nn.Module]) -> None:
        super().__init__(modules)
        self.level = level

    def forward(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn maps (B, C, h, w) by name into {"main": (B, K)}, in training also the logits of any
        auxiliary heads.
        """
        return {"main": self["fc"](maps[self.level].mean((2, 3)))}

    def dense(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (B, K) of images of any size: the mean over every place where the head fits
        (fully convolutional evaluation, He et al. 2016).

        For a linear layer on a mean, this is the plain result.
        """
        return self(maps)["main"]  # type: ignore[no-any-return]


class Backbone(nn.Module):
    """(B, C, H, W) -> {level.name: (B, level.channels, h, w)}, fine to coarse; h, w are about H, W
    over level.stride.

    Subclasses implement `forward` and `modules_through`, and call `settle` at the end of their
    constructor.
    """

    levels: tuple[FeatureLevel, ...]
    passport: Passport
    """The input that the weights expect; see PixelNormalizer."""
    report: WeightReport | None
    """The report of the loaded weights; None for a backbone started from scratch."""

    def __init__(self, levels: tuple[FeatureLevel, ...], passport: Passport) -> None:
        super().__init__()
        self.levels = levels
        self.passport = passport
        self.report = None
        self.checkpoint_activations = False
        self._frozen_modules: tuple[str, ...] = ()

    def settle(self, spec: BackboneSpec) -> None:
        """Apply the spec's freezing and recomputation, once all modules exist."""
        if spec.checkpoint_activations:
            self.set_grad_checkpointing()
        self.freeze(self.modules_through(spec.freeze_through))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by level name, fine to coarse, of normalised images (B, C, H, W)."""
        raise NotImplementedError

    @overload
    def forward_intermediates(
        self,
        images: Tensor,
        indices: int | Sequence[int | str] | None = None,
        *,
        intermediates_only: Literal[True],
    ) -> list[Tensor]: ...

    @overload
    def forward_intermediates(
        self,
        images: Tensor,
        indices: int | Sequence[int | str] | None = None,
        *,
        intermediates_only: Literal[False] = False,
    ) -> tuple[Tensor, list[Tensor]]: ...

    def forward_intermediates(
        self,
        images: Tensor,
        indices: int | Sequence[int | str] | None = None,
        *,
        intermediates_only: bool = False,
    ) -> Any:
        """The coarsest map and the maps of `indices`, or these alone, of normalised images.

        `indices` are positions in `levels`, negative ones from the end, or names of levels. A
        number takes that many of the coarsest, None takes all. It works like timm's method of that
        name. Raises UserError for an unknown level.
        """
        maps = self(images)
        chosen = [maps[name] for name in self._chosen(indices)]
        return chosen if intermediates_only else (maps[self.levels[-1].name], chosen)

    def _chosen(self, indices: int | Sequence[int | str] | None) -> list[str]:
        names = [level.name for level in self.levels]
        if indices is None:
            return names
        places = range(-indices, 0) if isinstance(indices, int) else indices
        chosen: list[str] = []
        for place in places:
            if isinstance(place, int) and -len(names) <= place < len(names):
                chosen.append(names[place])
            elif place in names:
                chosen.append(str(place))
            else:
                raise UserError(
                    f"indices must be positions or names of the {len(names)} levels"
                    f" {', '.join(names)}, got {place!r}; build the backbone with levels=…"
                )
        return chosen

    def classifier_head(self, num_classes: int) -> Head:
        """Make the head that turns the coarsest level into logits, with the field's names."""
        coarsest = self.levels[-1]
        return Head(coarsest.name, {"fc": nn.Linear(coarsest.channels, num_classes)})

    def logits(self, images: Tensor, head: Head) -> dict[str, Tensor]:
        """Logits (B, K) by head of normalised images (B, C, H, W): `main`, in training also those
        of any auxiliary heads.
        """
        return head(self(images))  # type: ignore[no-any-return]

    def modules_through(self, level: str | None) -> tuple[str, ...]:
        """Name the modules that make the levels up to one; `stem` is before every level, and None
        gives no module.
        """
        raise NotImplementedError

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute activations in the backward pass instead of keeping them, or stop that."""
        self.checkpoint_activations = enable
        for module in self.modules():
            if isinstance(module, Stage):
                module.recompute = enable

    def freeze(self, modules: str | Sequence[str] = "") -> None:
        """Stop training submodules, by default all: no gradients, and evaluation mode even after
        `train()`. Raises UserError for an unknown name.

        `freeze(backbone.modules_through("c3"))` is `freeze_through="c3"` of an existing backbone.
        """
        names = [modules] if isinstance(modules, str) else list(modules)
        for name in names:
            self._find(name).eval().requires_grad_(False)
        self._frozen_modules = tuple(dict.fromkeys((*self._frozen_modules, *names)))

    @property
    def frozen_modules(self) -> tuple[str, ...]:
        """Names of the modules that stay, with submodules, in evaluation mode and untrained."""
        return self._frozen_modules

    def unfreeze(self, modules: str | Sequence[str] = "") -> None:
        """Train submodules again, by default all, in the mode that the backbone is in. Norms that
        were built frozen stay constant. Raises UserError for an unknown name.
        """
        for name in [modules] if isinstance(modules, str) else modules:
            self._find(name).train(self.training).requires_grad_(True)
            frozen = [rest for root in self._frozen_modules for rest in self._without(root, name)]
            self._frozen_modules = tuple(frozen)
        self.train(self.training)

    def _find(self, name: str) -> nn.Module:
        try:
            return self.get_submodule(name)
        except AttributeError as error:
            known = ", ".join(child for child, _ in self.named_children())
            raise UserError(f"no module is called {name!r}, only {known} and theirs") from error

    def _without(self, root: str, name: str) -> Iterator[str]:
        """The frozen module `root` without the module `name`: itself, nothing, or its other
        children.
        """
        if _is_inside(root, name):
            return
        if not _is_inside(name, root):
            yield root
            return
        for child, _ in self.get_submodule(root).named_children():
            yield from self._without(f"{root}.{child}" if root else child, name)

    def frozen_names(self) -> tuple[str, ...]:
        """Names of the parameters that are not trained."""
        return tuple(
            name for name, parameter in self.named_parameters() if not parameter.requires_grad
        )

    def train(self, mode: bool = True) -> Self:
        """Set training mode everywhere except in frozen submodules, which keep their statistics."""
        super().train(mode)
        for name in self._frozen_modules:
            if name:
                self.get_submodule(name).eval()
            else:
                super().train(False)
        return self


def _is_inside(name: str, other: str) -> bool:
    """Whether a module is another one or below it; "" is the whole."""
    return other in ("", name) or name.startswith(f"{other}.")
