"""Read pickles of arrays; anything else in them is refused before it is made.  Imports no torch."""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import Any

_ARRAYS = {"_reconstruct", "scalar"}


class ArraysOnly(pickle.Unpickler):
    """Makes dicts, lists, numbers, strings and numpy arrays.

    UnpicklingError names the first other thing: nothing that the file names is ever called.
    """

    others = "which is not an array"
    """Words of the error about anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle may call; UnpicklingError for all else."""
        allowed = self.allowed(module, name)
        if allowed is None:
            raise pickle.UnpicklingError(f"{module}.{name}, {self.others}")
        return allowed

    def allowed(self, module: str, name: str) -> Callable[..., Any] | None:
        """Return the callable for a name, None if it is not allowed."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("_codecs", "encode"):  # Python 3 writes bytes so for Python 2
            return _latin1
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
