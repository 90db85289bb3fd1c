"""Read pickles that hold arrays and tensors only; anything else in them is refused before it is
made.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

_ARRAYS = {"_reconstruct", "scalar"}


def read_pickle(path: Path) -> object:
    """What a pickle of dicts, lists, numbers, strings, numpy arrays and tensors holds, arrays being
    tensors.

    UnpicklingError names the first other thing: nothing that the file names is ever called.
    """
    with path.open("rb") as file:
        return _with_tensors(_ArraysOnly(file, encoding="latin1").load())


def numpy_scalars() -> list[Any]:
    """What `torch.load(weights_only=True)` has to be allowed to read numpy's numbers, which scripts
    save as scores: it makes values and runs nothing. Empty without numpy.
    """
    try:
        import numpy as np
    except ImportError:
        return []
    scalar = import_module("numpy._core.multiarray").scalar
    kinds = [type(np.dtype(kind)) for kind in np.typecodes["AllInteger"] + "?efdg"]
    names = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")  # of numpy 2 and 1
    return [*((scalar, name) for name in names), np.dtype, *dict.fromkeys(kinds)]


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        allowed = _allowed(module, name)
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name}, which is neither an array nor a tensor")
        return allowed


def _allowed(module: str, name: str) -> Callable[..., Any] | None:
    if (module, name) == ("collections", "OrderedDict"):
        return OrderedDict
    if (module, name) == ("_codecs", "encode"):  # how Python 3 writes an array's bytes for Python 2
        return _latin1
    if (module, name) == ("torch.storage", "_load_from_bytes"):
        return _load_storage
    if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        return getattr(torch._utils, name)  # type: ignore[no-any-return]
    if module.startswith("numpy"):
        return _allowed_of_numpy(module, name)
    return None


def _allowed_of_numpy(module: str, name: str) -> Callable[..., Any] | None:
    import numpy as np

    if module == "numpy" and name in ("ndarray", "dtype"):
        return getattr(np, name)  # type: ignore[no-any-return]
    if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in _ARRAYS:
        return getattr(import_module("numpy._core.multiarray"), name)  # type: ignore[no-any-return]
    if module in ("numpy.core.numeric", "numpy._core.numeric") and name == "_frombuffer":
        return getattr(import_module("numpy._core.numeric"), name)  # type: ignore[no-any-return]
    return None


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the encoding {encoding}")
    return text.encode("latin1")


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
