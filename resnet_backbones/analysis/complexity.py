"""Parameters, multiply-adds and activations of a network by stage at one image size, counted
without data.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import build
from resnet_backbones.spec import BackboneSpec, StrideIn

HEADER = (
    "stage",
    "channels",
    "stride",
    "map",
    "parameters",
    "GMAC",
    "GFLOP",
    "activations",
    "MB kept for backward",
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of one stage, or of several together."""

    parameters: int = 0
    macs: int = 0
    """Multiply-adds of convolutions and matrix products; FLOPs are twice as many."""
    activations: int = 0
    """Number of values that convolutions and matrix products put out."""
    kept_bytes: int = 0
    """Bytes of fp32 activations that a training step keeps for the backward pass, without
    weights."""

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(**{name: value - getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A level's map, and the cost of the modules between it and the level before."""

    name: str
    channels: int
    stride: int | None
    height: int
    width: int
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """Stages of a network in order, and their sum, for one image of `size` x `size` pixels."""

    name: str
    size: int
    stages: tuple[Stage, ...]
    total: Cost

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of the table, HEADER first and the total last."""
        body = [
            (
                s.name,
                str(s.channels),
                str(s.stride or ""),
                f"{s.height}x{s.width}",
                *_numbers(s.cost),
            )
            for s in self.stages
        ]
        return [HEADER, *body, ("total", "", "", "", *_numbers(self.total))]

    def to_markdown(self) -> str:
        """A Markdown table."""
        header, *body = [f"| {' | '.join(row)} |" for row in self.rows()]
        return "\n".join([header, "|---" * len(HEADER) + "|", *body])

    def to_json(self) -> str:
        """JSON of all numbers, FLOPs included."""
        values = asdict(self)
        for cost in (values["total"], *(stage["cost"] for stage in values["stages"])):
            cost["flops"] = 2 * cost["macs"]
        return json.dumps(values, indent=2)

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        title = f"{self.name} at {self.size} x {self.size} pixels, one image; FLOP = 2 MAC; fp32"
        return "\n".join([title, *lines])


def measure(
    name: str,
    *,
    size: int | None = None,
    num_classes: int = 1000,
    stride_in: StrideIn = "3x3",
    options: object | None = None,
) -> Complexity:
    """Costs of a registered network by stage, its classifier last; `size` None is 224, or 32 for
    nets of stride 1.

    Everything runs on the meta device: no weights, no memory. The cost of a stage is that of a
    backbone up to its level minus that of one up to the level before.
    """

    def make(levels: list[str] | None) -> Backbone:
        with torch.device("meta"):
            return build(BackboneSpec(name, levels=levels, stride_in=stride_in, options=options))

    names = _levels(make)
    size = size or (32 if make([names[0]]).levels[0].stride == 1 else 224)
    stages, before = [], Cost()
    for level in names:
        backbone = make([level])
        cost, maps = _cost(backbone, size)
        height, width = maps[level].shape[-2:]
        (made,) = backbone.levels
        stage = Stage(
            name=level,
            channels=made.channels,
            stride=made.stride,
            height=height,
            width=width,
            cost=cost - before,
        )
        stages.append(stage)
        before = cost
    total = _total(make(None), size, num_classes)
    stages.append(
        Stage(
            name="classifier",
            channels=num_classes,
            stride=None,
            height=1,
            width=1,
            cost=total - before,
        )
    )
    return Complexity(name=name, size=size, stages=tuple(stages), total=total)


def _levels(make: Callable[[list[str] | None], Backbone]) -> list[str]:
    """Default levels, and the finer c1 where the network has it."""
    names = [level.name for level in make(None).levels]
    try:
        make(["c1"])
    except UserError:
        return names
    return list(dict.fromkeys(["c1", *names]))


def _total(backbone: Backbone, size: int, num_classes: int) -> Cost:
    with torch.device("meta"):
        head = backbone.classifier_head(num_classes)
    main = [
        module for name, module in head.items() if not name.startswith("aux")
    ]  # those help training only
    cost, _ = _cost(backbone, size, [*main], lambda images: backbone.logits(images, head), head)
    return cost


def _cost(
    backbone: Backbone,
    size: int,
    others: list[nn.Module] | None = None,
    run: Callable[[Tensor], dict[str, Tensor]] | None = None,
    head: nn.Module | None = None,
) -> tuple[Cost, dict[str, Tensor]]:
    """Cost of `run`, by default the backbone's forward, and its result."""
    run = run or backbone
    modules = nn.ModuleList([backbone, *(others or [])])
    images = torch.empty(
        2, len(backbone.passport.mean), size, size, device="meta"
    )  # batch norm of 1 x 1 maps needs 2
    kept = _kept_bytes(run, images, modules) // 2
    for module in (backbone, head) if head is not None else (backbone,):
        module.eval()
    with torch.no_grad(), _Counter() as counter:
        outputs = run(images[:1])
    parameters = sum(parameter.numel() for parameter in modules.parameters())
    cost = Cost(
        parameters=parameters, macs=counter.macs, activations=counter.activations, kept_bytes=kept
    )
    return cost, outputs


def _kept_bytes(
    run: Callable[[Tensor], dict[str, Tensor]], images: Tensor, modules: nn.Module
) -> int:
    """Bytes of the distinct storages that autograd saves, without parameters."""
    own = {
        tensor.untyped_storage()._cdata for tensor in (*modules.parameters(), *modules.buffers())
    }
    sizes: dict[int, int] = {}
    alive = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage._cdata not in own:
            sizes[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run(images)
    return sum(sizes.values())


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sums multiply-adds and outputs of the operations that torch's own FLOP counter counts."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = 0
        self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.macs += count(*args, **(kwargs or {}), out_val=outputs) // 2
            self.activations += (outputs[0] if isinstance(outputs, tuple) else outputs).numel()
        return outputs


def _numbers(cost: Cost) -> tuple[str, ...]:
    gigas = f"{cost.macs / 1e9:.3f}", f"{2 * cost.macs / 1e9:.3f}"
    return f"{cost.parameters:,}", *gigas, f"{cost.activations:,}", f"{cost.kept_bytes / 1e6:.1f}"
