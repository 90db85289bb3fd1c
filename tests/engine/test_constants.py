import torch

from tasks.engine.constants import device_constant

CPU = torch.device("cpu")


def test_a_constant_is_sent_once() -> None:
    first = device_constant((1.0, 2.5), CPU)
    assert first.tolist() == [1.0, 2.5]
    assert first.dtype == torch.float32
    assert device_constant((1.0, 2.5), CPU) is first


def test_whole_numbers_keep_their_type() -> None:
    indices = device_constant((3, 1 << 40), CPU, torch.int64)
    assert indices.dtype == torch.int64
    assert indices.tolist() == [3, 1 << 40]
