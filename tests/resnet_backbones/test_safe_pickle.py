"""Pickles of arrays are read without torch."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_backbones.safe_pickle import ArraysOnly

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_read(protocol: int) -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    stream = io.BytesIO(pickle.dumps({"data": array, "labels": [1, 2]}, protocol=protocol))
    read = ArraysOnly(stream, encoding="latin1").load()
    assert read["labels"] == [1, 2]
    assert np.array_equal(read["data"], array)


def test_a_tensor_is_not_an_array() -> None:
    stream = io.BytesIO(pickle.dumps(torch.zeros(1)))
    with pytest.raises(pickle.UnpicklingError, match="which is not an array"):
        ArraysOnly(stream).load()


def test_reading_arrays_imports_no_torch() -> None:
    code = (
        "import io, pickle, sys, numpy, resnet_backbones.safe_pickle as safe;"
        "safe.ArraysOnly(io.BytesIO(pickle.dumps(numpy.zeros(2)))).load();"
        "print('torch' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert output.strip() == "False"
