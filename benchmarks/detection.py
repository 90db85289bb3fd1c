"""Faster R-CNN with the same weights in ours and in the peers, on real photographs.

Detections are compared first: boxes to 0.01 px in fp32; in bf16, which only trained weights can
show, at least 85 % of the peer's confident boxes found again at the image size of the training.
 Then inference and a training step are timed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from benchmarks.common import Goal, Report, Timings, interleave
from benchmarks.detectors import Subject
from benchmarks.limits import convolution_rate, least_seconds
from benchmarks.pairings import detect_all, make_pairings
from benchmarks.weights import HOW_TO_TRAIN, DetectorWeights, checkpoint_weights, random_weights
from resnet_backbones.errors import UserError
from tasks.detection.config import DataConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.data.batches import collate_images
from tasks.engine.distributed import resolve_device
from tasks.engine.precision import Precision
from tasks.images import decode, find_images

OBJECTS = 8  # drawn in each image for the training step


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """Images, weights and the size of the measurement; None is the device's own default."""

    images: Path
    count: int
    detector: str | None
    detectron2: Path | None
    short_edge: int
    long_edge: int
    batch: int | None
    train_batch: int | None
    device: str
    compile: bool
    rounds: int


def run(settings: DetectionSettings) -> Report:
    """Compare, then time inference and training; OutputsDifferError where detections differ."""
    device = resolve_device(settings.device, 0, 1)
    weights = (
        random_weights() if settings.detector is None else checkpoint_weights(settings.detector)
    )
    on_gpu = device.type == "cuda"
    batch, train_batch = (
        settings.batch or (16 if on_gpu else 1),
        settings.train_batch or (16 if on_gpu else 2),
    )
    batches = make_batches(settings, batch, device)
    train = _with_objects(make_batches(settings, train_batch, device)[0], weights.classes)
    edges = settings.short_edge, settings.long_edge
    pairings = make_pairings(
        weights, settings.detectron2, *edges, device, compiled=settings.compile
    )
    checks = [pairing.compare_fp32(batches) for pairing in pairings]
    if weights.trained_size is not None:
        checks += compare_bf16(settings, weights, weights.trained_size, device)
    subjects = {
        name: subject for pairing in pairings for name, subject in pairing.subjects().items()
    }
    default = Precision.resolve("auto", device).name
    notes = [f"Weights: {weights.source}. Our default precision on this machine: {default}."]
    if not weights.trained:
        notes.append(
            "bf16 needs weights that are confident of boxes: give --detector, such as"
            f" {HOW_TO_TRAIN} makes."
        )
    inference, least = _time(
        subjects, lambda subject: detect_all(subject, batches), settings.rounds, device
    )
    training, least_training = _time(
        subjects, lambda subject: subject.training(train), settings.rounds, device
    )
    size = f"{weights.model.backbone}-FPN, {settings.short_edge}/{settings.long_edge}"
    images = sum(map(len, batches))
    title = f"inference, {size}, batch {batch}"
    train_title = f"training step, {size}, batch {train_batch}"
    timings = (
        Timings(title, inference, goals(device, training=False), images, least),
        Timings(train_title, training, goals(device, training=True), len(train), least_training),
    )
    if on_gpu:
        notes += count_synchronisations(
            {name: subject.training(train) for name, subject in subjects.items()}
        )
    else:
        notes += describe_limit(timings)
    return Report(
        "detection" if not on_gpu else "detection_gpu",
        "Faster R-CNN",
        tuple(checks),
        timings,
        tuple(notes),
    )


def compare_bf16(
    settings: DetectionSettings,
    weights: DetectorWeights,
    size: tuple[int, int],
    device: torch.device,
) -> list[str]:
    """The comparison in bf16, at the image size that the detector was trained for: at others it is
    confident of little.

    OutputsDifferError where too few of a peer's confident boxes are found again.
    """
    own = replace(settings, short_edge=size[0], long_edge=size[1])
    pairings = make_pairings(weights, settings.detectron2, *size, device, compiled=settings.compile)
    batches = make_batches(own, settings.batch or (16 if device.type == "cuda" else 1), device)
    lines = [line for pairing in pairings for line in pairing.compare_bf16(batches)]
    return [f"at {size[0]}/{size[1]}, for which the detector was trained: {line}" for line in lines]


def goals(device: torch.device, *, training: bool) -> tuple[Goal, ...]:
    """What was promised on such a device."""
    if device.type == "cuda":
        return (Goal("ours bf16", "torchvision", 4.0 if training else 6.0),)
    fp32, bf16 = (1.5, 3.1) if training else (1.6, 3.3)
    detectron2 = Goal("ours bf16, detectron2's rules", "detectron2 bf16 autocast", 1.5)
    return (
        Goal("ours fp32", "torchvision", fp32),
        Goal("ours bf16", "torchvision", bf16),
        detectron2,
    )


def make_batches(
    settings: DetectionSettings, batch: int, device: torch.device
) -> list[DetectionBatch]:
    """The images, wide ones first, in batches of one size; torchvision's own resize then leaves
    them as they are.
    """
    config = DataConfig(
        short_edge=(settings.short_edge,),
        long_edge=settings.long_edge,
        resize_rounding="floor",
        exif="ignore",
    )
    files = find_images(settings.images)[: max(settings.count, batch)]
    pixels = sorted(
        (decode(file, "ignore") for file in files),
        key=lambda image: image.shape[0] > image.shape[1],
    )
    groups = [pixels[start : start + batch] for start in range(0, len(pixels) - batch + 1, batch)]
    if not groups:
        raise UserError(f"--images must hold at least {batch} images for a batch, got {len(files)}")
    return [collate_images(group, config).to(device) for group in groups]


def _with_objects(batch: DetectionBatch, classes: int) -> DetectionBatch:
    """The batch with drawn objects in it, the same each time."""
    generator = torch.Generator().manual_seed(0)
    count = len(batch)
    sizes = batch.sizes.cpu().flip(-1)[:, None].float()  # (B, 1, 2) width, height
    extents = sizes * (0.05 + 0.5 * torch.rand(count, OBJECTS, 2, generator=generator))
    corners = (sizes - extents) * torch.rand(count, OBJECTS, 2, generator=generator)
    labels = torch.randint(0, classes, (count, OBJECTS), generator=generator)
    objects = replace(
        batch,
        boxes=torch.cat((corners, corners + extents), dim=-1),
        labels=labels,
        crowd=torch.zeros_like(labels, dtype=torch.bool),
    )
    return objects.to(batch.images.device)


def _time(
    subjects: Mapping[str, Subject],
    prepare: Callable[[Subject], Callable[[], object]],
    rounds: int,
    device: torch.device,
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each subject by round, and on a CPU those that its arithmetic takes at the
    least.
    """
    calls = {name: prepare(subject) for name, subject in subjects.items()}
    if device.type == "cuda":
        return interleave(calls, rounds, synchronize=torch.cuda.synchronize), {}
    return interleave(calls, rounds), {
        name: least_seconds(call, subjects[name].dtype) for name, call in calls.items()
    }


def describe_limit(timings: Sequence[Timings]) -> list[str]:
    """What "of the limit" means, and which of the goals no detector could reach where the machine
    is too slow.
    """
    rates = {
        name: convolution_rate(dtype) / 1e9
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    measured = " and ".join(f"{rate:.0f} GFLOP/s in {name}" for name, rate in rates.items())
    lines = [
        "The limit: all convolutions and matrix products at the rate of this machine's fastest"
        f" convolution, {measured}."
    ]
    for timing in timings:
        for goal in timing.goals_measured():
            largest = median(timing.seconds[goal.base]) / timing.least[goal.variant]
            if largest < goal.factor:
                lines.append(
                    f"{timing.title}: at its limit, {goal.variant} would be {largest:.2f} times as"
                    " fast"
                    f" as {goal.base}."
                )
    return lines


def count_synchronisations(steps: Mapping[str, Callable[[], None]]) -> list[str]:
    """How often one training step of each waits for the GPU."""
    lines = []
    for name, step in steps.items():
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        count = sum("synchroniz" in str(warning.message) for warning in caught)
        lines.append(f"{name}: {count} synchronisations in a training step.")
    return lines
