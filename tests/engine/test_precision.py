"""Which arithmetic is chosen where."""

from pathlib import Path

import pytest
import torch

from tasks.engine import precision
from tasks.engine.precision import Precision, cpu_flags

CPU = torch.device("cpu")


@pytest.mark.parametrize(("flags", "name"), [({"avx2"}, "fp32"), ({"avx512_bf16"}, "bf16"), ({"amx_bf16"}, "bf16")])
def test_auto_follows_the_cpus_flags(monkeypatch: pytest.MonkeyPatch, flags: set[str], name: str) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    assert Precision.resolve("auto", CPU).name == name


def test_flags_are_read_from_the_first_cpu(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert cpu_flags(path) == {"fpu", "avx2", "avx512_bf16"}
    assert cpu_flags(tmp_path / "nothing") == frozenset()


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_autocast_computes_in_the_chosen_type(name: str, dtype: torch.dtype) -> None:
    with Precision.resolve(name, CPU).autocast():
        assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype
