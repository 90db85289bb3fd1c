"""Counted random numbers: reference bits, range, independence of streams, and equality across
libraries.
"""

import numpy as np
import torch

from tasks.engine.randomness import mix_key, mix_keys, scramble, uniform

MASK = (1 << 64) - 1


def splitmix(value: int) -> int:
    """The published finaliser in Python's unbounded integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def test_scramble_gives_the_first_outputs_of_splitmix64_seeded_with_zero() -> None:
    golden = 0x9E3779B97F4A7C15
    states = [(golden * i) & MASK for i in (1, 2, 3)]
    signed = np.array(states, dtype=np.uint64).view(np.int64)
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert scramble(signed).view(np.uint64).tolist() == published


def test_numpy_torch_and_python_agree_bit_for_bit() -> None:
    numbers = np.array([0, 1, -1, 2**63 - 1, -(2**63), 123456789], dtype=np.int64)
    expected = [splitmix(int(number) & MASK) for number in numbers]
    assert scramble(numbers).view(np.uint64).tolist() == expected
    assert scramble(torch.from_numpy(numbers)).numpy().view(np.uint64).tolist() == expected


def test_mix_key_is_non_negative_depends_on_order_and_equals_the_array_form() -> None:
    keys = [
        mix_key(seed, step, image) for seed in range(4) for step in range(4) for image in range(4)
    ]
    assert len(set(keys)) == 64
    assert all(0 <= key < 2**63 for key in keys)
    assert mix_keys(3, 2, np.arange(4)).tolist() == [mix_key(3, 2, image) for image in range(4)]


def test_uniform_is_flat_on_the_unit_interval() -> None:
    numbers = uniform(torch.arange(8), stream=1, count=50_000)
    assert numbers.shape == (8, 50_000)
    assert numbers.dtype == torch.float32
    assert 0 <= numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    counts = torch.histc(numbers, bins=10, min=0, max=1)
    assert (counts - 40_000).abs().max() < 5 * (40_000 * 0.9) ** 0.5  # five standard deviations


def test_an_image_gets_the_same_numbers_alone_as_in_a_batch() -> None:
    keys = torch.tensor([7, 2**62, 99])
    together = uniform(keys, stream=3, count=16)
    assert torch.equal(together[1:2], uniform(keys[1:2], stream=3, count=16))
    assert torch.equal(together[:, :5], uniform(keys, stream=3, count=5))


def test_streams_and_keys_are_uncorrelated() -> None:
    rows = torch.cat(
        [uniform(torch.arange(4), stream=stream, count=20_000) for stream in (0, 1, 2)]
    )
    correlation = torch.corrcoef(rows) - torch.eye(len(rows))
    assert correlation.abs().max() < 0.03
