"""Detectors to be timed: each detects in a batch, and makes a training step on it.

All get the same images, resized beforehand: ours as bytes, the peers as they expect them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from benchmarks.agreement import Found
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.detections import Detections
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.detection.model.inference import for_inference
from tasks.engine.compilation import compile_parts
from tasks.engine.evaluation import evaluation_mode
from tasks.engine.precision import Precision

Arithmetic = Literal["ieee", "tf32", "bf16"]


class Subject(Protocol):
    """A detector in one precision."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of most of its computation."""

    def detecting(self, batch: DetectionBatch) -> Callable[[], list[Found]]:
        """A call that detects in the batch."""

    def training(self, batch: DetectionBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch; the learning rate is 0, so the weights
        stay.
        """


@contextmanager
def arithmetic(name: Arithmetic, device: torch.device) -> Iterator[None]:
    """Context for fp32 by IEEE or a GPU's TF32, or bf16 by autocast; restores the state before."""
    backends = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    try:
        if device.type == "cuda":
            for backend in backends:
                backend.fp32_precision = "ieee" if name == "ieee" else "tf32"
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def dtype_of(name: Arithmetic) -> torch.dtype:
    """Type of the convolutions on a CPU, which has no TF32."""
    return torch.bfloat16 if name == "bf16" else torch.float32


@dataclass
class Ours:
    """Our detector as `tools/eval_det.py` and `tools/train_det.py` run it."""

    model: FasterRCNN
    precision: Precision
    compiled: bool = False
    """Whether backbone, pyramid and region proposal head are compiled."""

    @property
    def dtype(self) -> torch.dtype:
        """Type of most of its computation."""
        return dtype_of("bf16" if self.precision.name == "bf16" else "ieee")

    def detecting(self, batch: DetectionBatch) -> Callable[[], list[Found]]:
        """A call that detects in the batch."""
        with evaluation_mode(self.model):
            detector = for_inference(self.model, bf16=self.precision.name == "bf16")
        if self.compiled:
            compile_parts(detector.trunk)

        def detect() -> list[Found]:
            with evaluation_mode(detector), self._arithmetic(batch.images.device):
                return _ours_found(detector(batch.images, batch.sizes))

        return detect

    def training(self, batch: DetectionBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch."""
        objective = DetectionObjective(self.model.train())
        if self.compiled:
            compile_parts(self.model.trunk)
        return make_step(
            self.model,
            lambda: list(objective(batch).values()),
            lambda: self._arithmetic(batch.images.device),
        )

    def _arithmetic(self, device: torch.device) -> AbstractContextManager[None]:
        return arithmetic("bf16" if self.precision.name == "bf16" else "ieee", device)


@dataclass
class Torchvision:
    """torchvision's detector, in channels_last if it runs in bf16."""

    model: nn.Module
    kind: Arithmetic

    @property
    def dtype(self) -> torch.dtype:
        """Type of most of its computation."""
        return dtype_of(self.kind)

    def detecting(self, batch: DetectionBatch) -> Callable[[], list[Found]]:
        """A call that detects in the batch."""
        images = float_images(batch)

        def detect() -> list[Found]:
            self.model.eval()
            with torch.no_grad(), arithmetic(self.kind, batch.images.device):
                return [_theirs_found(found) for found in self.model(images)]

        return detect

    def training(self, batch: DetectionBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch."""
        self.model.train()
        images = float_images(batch)
        is_object = batch.labels >= 0
        targets = [
            {"boxes": boxes[own], "labels": labels[own] + 1}
            for boxes, labels, own in zip(batch.boxes, batch.labels, is_object, strict=True)
        ]
        return make_step(
            self.model,
            lambda: list(self.model(images, targets).values()),
            lambda: arithmetic(self.kind, batch.images.device),
        )


def byte_images(batch: DetectionBatch) -> list[Tensor]:
    """The images without their padding, (3, h, w) uint8 each."""
    sizes = batch.sizes.tolist()
    return [
        image[:, :height, :width].contiguous()
        for image, (height, width) in zip(batch.images, sizes, strict=True)
    ]


def float_images(batch: DetectionBatch) -> list[Tensor]:
    """The images without their padding, (3, h, w) in 0–1 each."""
    return [image.float().div(255) for image in byte_images(batch)]


def make_step(
    model: nn.Module,
    losses: Callable[[], Sequence[Tensor]],
    context: Callable[[], AbstractContextManager[None]],
) -> Callable[[], None]:
    """A training step with forward pass, backward pass and SGD update, the same for all."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.0, momentum=0.9)

    def step() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with context():
            loss = torch.stack([loss.float() for loss in losses()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _ours_found(detections: Detections) -> list[Found]:
    columns = (detections.boxes, detections.scores, detections.labels, detections.valid)
    rows = zip(*(column.cpu() for column in columns), strict=True)
    return [
        Found(boxes[valid], scores[valid], labels[valid]) for boxes, scores, labels, valid in rows
    ]


def _theirs_found(found: Mapping[str, Tensor]) -> Found:
    boxes, scores, labels = (found[name].float().cpu() for name in ("boxes", "scores", "labels"))
    return Found(boxes, scores, labels.long() - 1)
