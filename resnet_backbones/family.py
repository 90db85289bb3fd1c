"""Checks that families of backbones share."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def refuse_foreign(name: str, stride_in: str, options: object | None) -> None:
    """Raise ValueError for settings that only other families have."""
    if stride_in != "3x3":
        raise ValueError(f"stride_in must be 3x3 for {name}, which has no bottlenecks; got {stride_in}")
    if options is not None:
        raise ValueError(f"options must be None for {name}, which has none, got {type(options).__name__}")


def choose_levels(names: Sequence[str] | None, known: Sequence[str], output_stride: int) -> tuple[str, ...]:
    """The asked levels fine to coarse, c2 to c5 for None; ValueError for unknown or repeated ones."""
    names = ("c2", "c3", "c4", "c5") if names is None else names
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise ValueError(f"levels must be different names out of {', '.join(known)}, got {tuple(names)}")
    if output_stride not in (8, 16, 32):
        raise ValueError(f"output_stride must be 8, 16 or 32, got {output_stride}")
    return tuple(name for name in known if name in names)


def own_options(name: str, options: object | None, kind: type[T]) -> T:
    """The family's options, its defaults for None; ValueError for another family's."""
    if options is None:
        return kind()
    if not isinstance(options, kind):
        raise ValueError(f"options of {name} must be {kind.__name__}, got {type(options).__name__}")
    return options


def refuse_bottleneck_stride(name: str, stride_in: str) -> None:
    """Raise ValueError where the stride is asked in a 1x1 convolution that the blocks have not."""
    if stride_in == "1x1":
        raise ValueError(f"stride_in must be 3x3 for {name}, whose blocks have no 1x1 convolution; got 1x1")
