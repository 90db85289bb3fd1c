"""Read pickles that hold arrays and tensors only; anything else in them is refused before it is
made.
"""

import io
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.safe_pickle import ArraysOnly


def read_pickle(path: Path) -> object:
    """Read a pickle of dicts, lists, numbers, strings, numpy arrays and tensors; arrays become
    tensors.

    UnpicklingError names the first other thing: nothing that the file names is ever called.
    """
    with path.open("rb") as file:
        return _with_tensors(_ArraysAndTensors(file, encoding="latin1").load())


def numpy_scalars() -> list[Any]:
    """Classes that `torch.load(weights_only=True)` needs for numpy's numbers, which scripts save as
    scores: they make values and run nothing. Empty without numpy.
    """
    try:
        import numpy as np
    except ImportError:
        return []
    scalar = import_module("numpy._core.multiarray").scalar
    kinds = [type(np.dtype(kind)) for kind in np.typecodes["AllInteger"] + "?efdg"]
    names = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")  # of numpy 2 and 1
    return [*((scalar, name) for name in names), np.dtype, *dict.fromkeys(kinds)]


class _ArraysAndTensors(ArraysOnly):
    others = "which is neither an array nor a tensor"

    def allowed(self, module: str, name: str) -> Callable[..., Any] | None:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return _load_storage
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return getattr(torch._utils, name)  # type: ignore[no-any-return]
        return super().allowed(module, name)


def _load_storage(content: bytes) -> Any:
    return torch.load(
        io.BytesIO(content), weights_only=True
    )  # the original would run whatever is inside


def _with_tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_tensors(item) for key, item in value.items()}
    if (
        type(value).__module__ == "numpy"
        and type(value).__name__ == "ndarray"
        and value.dtype.kind in "fiu"
    ):
        return torch.tensor(value)
    return value
