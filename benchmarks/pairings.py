"""Pairs of a peer's detector and ours with the same weights and the peer's rules, in fp32 and, if
trained, in bf16.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.agreement import Found, check_boxes, check_confident, share_found_again
from benchmarks.detectors import Arithmetic, Ours, Subject, Torchvision
from benchmarks.weights import DetectorWeights
from tasks.detection.config import ModelConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.engine.precision import Precision

Wrap = Callable[[nn.Module, Arithmetic], Subject]


@dataclass(frozen=True)
class Pairing:
    """One peer and ours. `names` are those of the peer, ours, the peer in bf16, and ours in bf16
    and compiled, as far as they are timed.
    """

    names: tuple[str, ...]
    variants: tuple[Subject, ...]
    reference: Subject
    """The peer in IEEE fp32, which the others are compared with."""
    model: ModelConfig

    def subjects(self) -> dict[str, Subject]:
        """The detectors that are called in turn."""
        return dict(zip(self.names, self.variants, strict=True))

    def compare_fp32(self, batches: Sequence[DetectionBatch]) -> str:
        """Return a line with the distance of the boxes in fp32; OutputsDifferError if it is too
        large.
        """
        expected, found = (
            detect_all(subject, batches)() for subject in (self.reference, self.variants[1])
        )
        name = f"{self.names[1]} and {self.names[0]}"
        roi = self.model.roi
        return check_boxes(
            name, expected, found, threshold=roi.score_threshold, most=roi.detections_per_image
        )

    def compare_bf16(self, batches: Sequence[DetectionBatch]) -> list[str]:
        """Return a line with the share of the peer's confident boxes found again in bf16;
        OutputsDifferError if it is too small.
        """
        expected = detect_all(self.reference, batches)()
        found = [detect_all(subject, batches)() for subject in self.variants[2:]]
        pairs = zip(self.names[3:], found[1:], strict=True)
        checks = [check_confident(name, expected, ours) for name, ours in pairs]
        return [
            *checks,
            (
                f"{self.names[2]}: {share_found_again(expected, found[0])[0]:.1%} (nothing is asked"
                " of it)"
            ),
        ]


def detect_all(subject: Subject, batches: Sequence[DetectionBatch]) -> Callable[[], list[Found]]:
    """A call that detects in all batches."""
    calls = [subject.detecting(batch) for batch in batches]
    return lambda: [found for call in calls for found in call()]


def make_pairings(
    weights: DetectorWeights,
    detectron2: Path | None,
    short_edge: int,
    long_edge: int,
    device: torch.device,
    *,
    compiled: bool,
) -> list[Pairing]:
    """Pairs with torchvision, and with detectron2 if its source tree is given."""
    theirs = weights.build_torchvision(short_edge, long_edge).to(device)
    bf16 = copy.deepcopy(theirs).to(memory_format=torch.channels_last)
    names: tuple[str, ...] = (
        "torchvision",
        "ours fp32",
        "torchvision bf16 channels_last",
        "ours bf16",
    )
    names += ("ours bf16 compiled",) if compiled else ()
    pairings = [_pair(names, (theirs, bf16), Torchvision, weights, weights.model, device)]
    if detectron2 is not None:
        from benchmarks.detectron2_peer import Detectron2, build_detectron2, detectron2_rules

        theirs = build_detectron2(detectron2, weights, device)
        ours = "ours fp32, detectron2's rules", "ours bf16, detectron2's rules"
        names = ("detectron2", ours[0], "detectron2 bf16 autocast", ours[1])
        pairings.append(
            _pair(names, (theirs, theirs), Detectron2, weights, detectron2_rules(weights), device)
        )
    return pairings


def _pair(
    names: tuple[str, ...],
    theirs: tuple[nn.Module, nn.Module],
    wrap: Wrap,
    weights: DetectorWeights,
    model: ModelConfig,
    device: torch.device,
) -> Pairing:
    """Make a pair; `theirs` makes the peer for fp32 (TF32 on a GPU) and for bf16, which needs
    trained weights.
    """
    fp32: Arithmetic = "tf32" if device.type == "cuda" else "ieee"
    variants = [
        wrap(theirs[0], fp32),
        Ours(weights.build(device, model), Precision("fp32", device.type)),
    ]
    if weights.trained:
        bf16 = Precision("bf16", device.type)
        variants += [wrap(theirs[1], "bf16"), Ours(weights.build(device, model), bf16)]
        variants += (
            [Ours(weights.build(device, model), bf16, compiled=True)] if len(names) > 4 else []
        )
    return Pairing(names[: len(variants)], tuple(variants), wrap(theirs[0], "ieee"), model)
