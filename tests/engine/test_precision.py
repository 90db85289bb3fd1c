"""Which arithmetic is chosen where."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.engine import precision
from tasks.engine.distributed import World
from tasks.engine.precision import Precision, cpu_flags

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "speed_up", "name"),
    [
        ({"avx2"}, 3.0, "fp32"),
        ({"avx512_bf16"}, 2.0, "bf16"),
        ({"amx_bf16"}, 1.1, "bf16"),
        ({"avx512_bf16"}, 1.05, "fp32"),
        ({"avx512_bf16", "amx_bf16"}, 0.9, "fp32"),
    ],
)
def test_auto_is_bf16_where_the_cpu_has_it_and_is_faster(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], speed_up: float, name: str
) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(precision, "bf16_speed_up", lambda: speed_up)
    assert Precision.resolve("auto", CPU).name == name


def test_a_cpu_without_bf16_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    monkeypatch.setattr(precision, "bf16_speed_up", lambda: pytest.fail("timed"))
    chosen = Precision.resolve("auto", CPU)
    assert chosen.name == "fp32"
    assert chosen.reason == "the CPU has none of amx_bf16, avx512_bf16"


def test_the_reason_names_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset({"avx2", "avx512_bf16"}))
    monkeypatch.setattr(precision, "bf16_speed_up", lambda: 2.04)
    assert Precision.resolve("auto", CPU).reason == (
        "the CPU has avx512_bf16 and convolves 2.0 times as fast as in fp32; from 1.1 on it pays"
    )
    assert Precision.resolve("fp32", CPU).reason == "run.precision=fp32"


def test_rank_0_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank whose own timing said bf16 takes the fp32 that it is told."""

    class OtherRank(World):
        def broadcast(self, value: Any) -> Any:
            assert value == "bf16"
            return "fp32"

    monkeypatch.setattr(precision, "prefers_bf16", lambda device: True)
    agreed = Precision.agreed("auto", OtherRank(1, 1, 2, CPU))
    assert (agreed.name, agreed.reason) == ("fp32", "as rank 0 chose")


def test_the_cpu_is_timed_once() -> None:
    assert 0.05 < precision.bf16_speed_up() < 50
    assert precision.bf16_speed_up() is precision.bf16_speed_up()


def test_flags_are_read_from_the_first_cpu(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(
        "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    )
    assert cpu_flags(path) == {"fpu", "avx2", "avx512_bf16"}
    assert cpu_flags(tmp_path / "nothing") == frozenset()


@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_autocast_computes_in_the_chosen_type(name: str, dtype: torch.dtype) -> None:
    with Precision.resolve(name, CPU).autocast():
        assert torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype
