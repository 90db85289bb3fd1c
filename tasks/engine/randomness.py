"""Random numbers without state: each is a hash of the numbers that name it, so nothing is saved.

The hash is the finaliser of splitmix64 (Steele, Lea and Flood 2014) in 64-bit arithmetic that wraps
around; numpy and torch, CPU and GPU give the same bits.  B images, N numbers.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Integers = TypeVar("Integers", Tensor, npt.NDArray[np.int64])


class Stream(IntEnum):
    """Purposes of random numbers. Numbers of one key in different streams are independent."""

    ANCHORS = 0
    PROPOSALS = 1
    PLACEMENT = 2
    PASTE = 3
    FORWARD = 4
    COLOUR = 5
    ERASE = 6
    MIX = 7
    OPERATIONS = 8
    CROP = 9


def _signed(value: int) -> int:
    """Return the int64 with the bits of an unsigned 64-bit integer."""
    return value - (1 << 64) if value >= 1 << 63 else value


GOLDEN = _signed(0x9E3779B97F4A7C15)
FIRST = _signed(0xBF58476D1CE4E5B9)
SECOND = _signed(0x94D049BB133111EB)


def scramble(numbers: Integers) -> Integers:
    """Hash int64 numbers one to one; a mask makes int64's shifts logical."""
    numbers = (numbers ^ ((numbers >> 30) & ((1 << 34) - 1))) * FIRST
    numbers = (numbers ^ ((numbers >> 27) & ((1 << 37) - 1))) * SECOND
    return numbers ^ ((numbers >> 31) & ((1 << 33) - 1))


def mix_keys(seed: int, step: int, images: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Hash (seed, step, image) to keys (N,) in [0, 2**63), one for each of `images` (N,)."""
    key = np.zeros(1, dtype=np.int64)
    for part in (np.array([seed], dtype=np.int64), np.array([step], dtype=np.int64), images):
        key = scramble((key + GOLDEN) ^ part)  # the order of the three matters
    return key & ((1 << 63) - 1)


def mix_key(seed: int, step: int, image: int) -> int:
    """Hash three whole numbers to a key in [0, 2**63), as `mix_keys` does."""
    return int(mix_keys(seed, step, np.array([image], dtype=np.int64))[0])


def uniform(keys: Tensor, stream: int, count: int) -> Tensor:
    """Draw numbers (B, count) float32 in [0, 1), multiples of 2**-24, from keys (B,) int64 and
    `stream` alone.

    Runs on the keys' device without synchronising. Different purposes of one image take different
    streams.
    """
    start = scramble(scramble(keys + GOLDEN) ^ stream)  # (B,)
    counters = (
        torch.arange(1, count + 1, device=keys.device, dtype=torch.int64) * GOLDEN
    )  # (count,)
    bits = scramble(start[:, None] + counters) >> 40 & (
        (1 << 24) - 1
    )  # (B, count): the upper 24 bits
    return bits.to(torch.float32) * 2.0**-24


def seed_forward(seed: int, step: int, micro_batch: int, rank: int) -> None:
    """Seed torch's own generators, of the CPU and of GPUs, for one forward pass in training.

    Dropout and drop path then depend on these four numbers alone, so that a resumed run draws the
    same numbers as an uninterrupted one.
    """
    key = mix_key(seed, step, micro_batch)
    torch.manual_seed(mix_key(key, Stream.FORWARD, rank))


@contextmanager
def keeping_random_states() -> Iterator[None]:
    """Context that restores the generators of Python, numpy and torch's CPU at its end, as a user's
    functions may draw from them.
    """
    python = random.getstate()
    legacy = np.random.get_state()
    cpu = torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(cpu)


def prepare_torch(seed: int, deterministic: bool) -> None:
    """Seed torch's own generator, for the initial weights, and with `deterministic` refuse
    operations that may vary.

    Call it before the model is built and before the GPU is first used.
    """
    torch.manual_seed(seed)
    if deterministic:
        # required by cuBLAS to be reproducible
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
