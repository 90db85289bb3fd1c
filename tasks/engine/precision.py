"""Which arithmetic the network runs in: bf16 autocast where the hardware computes in bf16, fp32 otherwise."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Precision:
    """Resolved arithmetic of the network on one kind of device; weights, losses and optimiser stay fp32."""

    name: Literal["bf16", "fp32"]
    device_type: str

    @classmethod
    def resolve(cls, name: Literal["auto", "bf16", "fp32"], device: torch.device) -> "Precision":
        """`auto` is bf16 where the device computes in it; bf16 asked for elsewhere is emulated and slow.

        fp32 means IEEE fp32: TF32, which torch allows in cuDNN's convolutions by default, is switched off process-wide.
        Under bf16 torch's defaults stay: fp32 matrix products are IEEE, the few fp32 convolutions may use TF32.
        """
        if name == "auto":
            name = "bf16" if computes_bf16(device) else "fp32"
        if name == "fp32" and device.type == "cuda":
            torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
            torch.backends.cuda.matmul.fp32_precision = "ieee"
        return cls(name, device.type)

    def autocast(self) -> torch.autocast:
        """Context in which convolutions and matrix products run in bf16, or in fp32 where that was resolved."""
        return torch.autocast(self.device_type, dtype=torch.bfloat16, enabled=self.name == "bf16")


def computes_bf16(device: torch.device) -> bool:
    """Whether a GPU, or a Linux CPU through AVX512-BF16 or AMX, multiplies bf16 natively."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(cpu_flags() & BF16_FLAGS)


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of the first CPU; empty where the system is not Linux."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(flags.partition(":")[2].split())
