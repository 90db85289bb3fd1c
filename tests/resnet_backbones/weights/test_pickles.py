"""Pickles of arrays are read, and no others."""

import builtins
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from resnet_backbones.weights.pickles import read_pickle


class Calls:
    """A pickle that calls a function when it is read."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_tensors_are_read(tmp_path: Path, protocol: int) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    content = {
        "blobs": OrderedDict(a=array, b=torch.arange(3), c=nn.Parameter(torch.ones(2))),
        "author": "X",
        "n": [1],
    }
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    read = read_pickle(path)
    assert read["blobs"]["a"].equal(torch.from_numpy(array))
    assert read["blobs"]["b"].equal(torch.arange(3))
    assert read["blobs"]["c"].equal(torch.ones(2))
    assert read["author"] == "X"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch FILE",)),
        (builtins.eval, ("open('FILE', 'w')",)),
        (builtins.getattr, (np, "load")),
        (np.load, ("FILE",)),
        (torch.load, ("FILE",)),
        (nn.Linear, (1, 1)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_everything_else_is_refused_and_not_run(
    tmp_path: Path, function: object, arguments: tuple[object, ...]
) -> None:
    made = tmp_path / "made"
    arguments = tuple(
        a.replace("FILE", str(made)) if isinstance(a, str) else a for a in arguments if a is not np
    )
    (tmp_path / "file.pkl").write_bytes(pickle.dumps({"blobs": Calls(function, *arguments)}))
    with pytest.raises(pickle.UnpicklingError, match="neither an array nor a tensor"):
        read_pickle(tmp_path / "file.pkl")
    assert not made.exists()


def test_a_pickle_inside_a_tensors_storage_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    inner = pickle.dumps(Calls(os.system, f"touch {made}"))
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(Calls(torch.storage._load_from_bytes, inner)))
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        read_pickle(tmp_path / "file.pkl")
    assert not made.exists()
