"""The network's arithmetic: bf16 autocast if the hardware is faster in bf16, otherwise fp32."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from resnet_backbones.errors import UserError
from tasks.engine.distributed import World
from tasks.engine.timing import WORTH_IT, speed_up

PrecisionName = Literal["auto", "bf16", "fp32"]
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Precision:
    """Resolved arithmetic of the network on one kind of device; weights, losses and optimiser stay
    fp32.
    """

    name: Literal["bf16", "fp32"]
    device_type: str
    reason: str = field(default="", compare=False)
    """Why it was chosen."""

    @classmethod
    def resolve(cls, name: PrecisionName, device: torch.device) -> "Precision":
        """`auto` is bf16 if the device is faster in it; bf16 on another device is emulated and
        slow.

        fp32 means IEEE fp32: TF32, which torch allows in cuDNN's convolutions by default, is
        switched off process-wide. Under bf16 torch's defaults stay: fp32 matrix products are IEEE,
        the few fp32 convolutions may use TF32.
        """
        reason = f"run.precision={name}"
        if name == "auto":
            name = "bf16" if prefers_bf16(device) else "fp32"
            reason = explain_auto(device)
        if name == "fp32" and device.type == "cuda":
            torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
            torch.backends.cuda.matmul.fp32_precision = "ieee"
        return cls(name, device.type, reason)

    @classmethod
    def agreed(cls, name: PrecisionName, world: World) -> "Precision":
        """Agree on the arithmetic of every rank of a run: if `auto` depends on a timing, rank 0's
        counts.
        """
        own = cls.resolve(name, world.device)
        agreed = cls.resolve(world.broadcast(own.name), world.device)
        return replace(agreed, reason=own.reason if own == agreed else "as rank 0 chose")

    def autocast(self) -> torch.autocast:
        """Context in which convolutions and matrix products run in the resolved arithmetic."""
        return torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.name == "bf16")


def check_precision(name: str) -> None:
    """Raise UserError for a name that `Precision.resolve` does not accept."""
    if name not in get_args(PrecisionName):
        raise UserError(f"precision must be auto, bf16 or fp32, got {name!r}")


def prefers_bf16(device: torch.device) -> bool:
    """Whether a GPU multiplies bf16 natively, or a Linux CPU can (AVX512-BF16, AMX) and was
    measured to be faster so.

    A CPU may have the instructions without being faster in them. Other processes do not disturb the
    timing: it counts the processor time of one thread.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(cpu_flags() & BF16_FLAGS) and bf16_speed_up() >= WORTH_IT


def explain_auto(device: torch.device) -> str:
    """Explain the answer of `prefers_bf16` for a device."""
    if device.type == "cuda":
        verb = "multiplies" if prefers_bf16(device) else "does not multiply"
        return f"the GPU {verb} bf16"
    flags = cpu_flags() & BF16_FLAGS
    if not flags:
        return f"the CPU has none of {', '.join(sorted(BF16_FLAGS))}"
    times = f"{bf16_speed_up():.1f} times as fast as in fp32; from {WORTH_IT} on it pays"
    return f"the CPU has {', '.join(sorted(flags))} and convolves {times}"


@cache
def bf16_speed_up() -> float:
    """Measure how many times faster the CPU convolves in bf16 than in fp32; takes some tenths of a
    second, once per process.
    """
    return speed_up(_convolution(torch.float32), _convolution(torch.bfloat16))


def _convolution(dtype: torch.dtype) -> Callable[[], torch.Tensor]:
    """A 3x3 convolution of the size of a residual network's."""
    image, weight = torch.ones(1, 128, 28, 28, dtype=dtype), torch.ones(128, 128, 3, 3, dtype=dtype)
    layout = torch.channels_last
    image, weight = image.contiguous(memory_format=layout), weight.contiguous(memory_format=layout)
    return lambda: F.conv2d(image, weight, padding=1)


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Read the instruction sets of the first CPU; empty if the system is not Linux."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(flags.partition(":")[2].split())
