"""Checks that families of backbones share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from resnet_backbones.errors import UserError
from resnet_backbones.spec import BackboneSpec

T = TypeVar("T")
_NOT_DESCRIBED = {
    *("drop_path", "zero_init_residual", "gate_bias", "dropout"),  # only training sees them
    "pool",  # has a field of its own in the passport
}


def refuse_foreign(spec: BackboneSpec) -> None:
    """Raise UserError for settings that only other families have."""
    refuse_stride_in(spec)
    if spec.options is not None:
        raise UserError(
            f"options must be None for {spec.name}, which has none, got"
            f" {type(spec.options).__name__}"
        )


def refuse_stride_in(spec: BackboneSpec) -> None:
    """Raise UserError if a convolution of bottlenecks is asked to carry the stride."""
    if spec.stride_in != "3x3":
        raise UserError(
            f"stride_in must be 3x3 for {spec.name}, which has no bottlenecks; got {spec.stride_in}"
        )


def choose_levels(names: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...]:
    """The requested levels, fine to coarse, c2 to c5 for None; UserError for unknown or repeated
    ones.
    """
    names = ("c2", "c3", "c4", "c5") if names is None else names
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise UserError(
            f"levels must be different names out of {', '.join(known)}, got {tuple(names)}"
        )
    return tuple(name for name in known if name in names)


def own_options(spec: BackboneSpec, kind: type[T]) -> T:
    """The given options, or the family's defaults for None; UserError for options of another
    family.
    """
    if spec.options is None:
        return kind()
    if not isinstance(spec.options, kind):
        seen = type(spec.options).__name__
        raise UserError(f"options of {spec.name} must be {kind.__name__}, got {seen}")
    return spec.options


def refuse_bottleneck_stride(spec: BackboneSpec) -> None:
    """Raise UserError if a 1x1 convolution is to carry the stride in blocks that have none."""
    if spec.stride_in == "1x1":
        raise UserError(
            f"stride_in must be 3x3 for {spec.name}, whose blocks have no 1x1 convolution; got 1x1"
        )


def described(
    options: Any, output_stride: int = 32, settled: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Options of a family for the passport: those that change what trained weights compute.

    `settled` replaces values; None leaves them out. At stride 32 neither stride nor dilation is
    stated: the weights then serve every output stride.
    """
    values = {**({} if options is None else asdict(options)), **(settled or {})}
    kept = {
        name: value
        for name, value in values.items()
        if name not in _NOT_DESCRIBED and value is not None
    }
    if output_stride < 32:
        return kept | {"output_stride": output_stride}
    return {name: value for name, value in kept.items() if name != "dilation"}
