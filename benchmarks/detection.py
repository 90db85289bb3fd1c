"""Time Faster R-CNN against the peers with the same weights, on real photographs.

Detections are compared first: boxes to 0.01 px in fp32. In bf16, where only trained weights can
tell, at least 85 % of the peer's confident boxes must be found again at the image size of the
training. Then inference and a training step are timed.
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
    """Images, weights and numbers of rounds; None is the default of the device."""

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
    """Compare detections, then time inference and training; OutputsDifferError if they differ."""
    device = resolve_device(settings.device, 0, 1)
    on_gpu = device.type == "cuda"
    weights = random_weights()
    if settings.detector is not None:
        weights = checkpoint_weights(settings.detector)
    batches = make_batches(settings, inference_batch(settings, device), device)
    train = make_batches(settings, training_batch(settings, device), device)[0]
    train = _with_objects(train, weights.classes)
    size = (settings.short_edge, settings.long_edge)
    pairings = make_pairings(weights, settings.detectron2, *size, device, compiled=settings.compile)
    checks = [pairing.compare_fp32(batches) for pairing in pairings]
    if weights.trained_size is not None:
        checks += compare_bf16(settings, weights, weights.trained_size, device)
    subjects: dict[str, Subject] = {}
    for pairing in pairings:
        subjects |= pairing.subjects()
    timings = time_both(settings, weights, subjects, batches, train, device)
    notes = describe_weights(weights, device)
    if on_gpu:
        steps = {name: subject.training(train) for name, subject in subjects.items()}
        notes += count_synchronisations(steps)
    else:
        notes += describe_limit(timings)
    name = "detection_gpu" if on_gpu else "detection"
    return Report(name, "Faster R-CNN", tuple(checks), timings, tuple(notes))


def inference_batch(settings: DetectionSettings, device: torch.device) -> int:
    """Images per call in inference."""
    own = 16 if device.type == "cuda" else 1
    return _at_least_one("--batch", own if settings.batch is None else settings.batch)


def training_batch(settings: DetectionSettings, device: torch.device) -> int:
    """Images per training step."""
    own = 16 if device.type == "cuda" else 2
    given = settings.train_batch
    return _at_least_one("--train-batch", own if given is None else given)


def _at_least_one(option: str, count: int) -> int:
    if count < 1:
        raise UserError(f"{option} must be >= 1, got {count}")
    return count


def time_both(
    settings: DetectionSettings,
    weights: DetectorWeights,
    subjects: Mapping[str, Subject],
    batches: Sequence[DetectionBatch],
    train: DetectionBatch,
    device: torch.device,
) -> tuple[Timings, Timings]:
    """Time inference on the batches, and a training step on the batch `train`."""

    def detect(subject: Subject) -> Callable[[], object]:
        return detect_all(subject, batches)

    def learn(subject: Subject) -> Callable[[], object]:
        return subject.training(train)

    size = f"{weights.model.backbone}-FPN, {settings.short_edge}/{settings.long_edge}"
    seconds, least = _time(subjects, detect, settings.rounds, device)
    title = f"inference, {size}, batch {len(batches[0])}"
    images = sum(map(len, batches))
    inference = Timings(title, seconds, goals(device, training=False), images, least)
    seconds, least = _time(subjects, learn, settings.rounds, device)
    title = f"training step, {size}, batch {len(train)}"
    training = Timings(title, seconds, goals(device, training=True), len(train), least)
    return inference, training


def describe_weights(weights: DetectorWeights, device: torch.device) -> list[str]:
    """Lines that name the weights and our precision."""
    default = Precision.resolve("auto", device).name
    notes = [f"Weights: {weights.source}. Our default precision on this machine: {default}."]
    if not weights.trained:
        notes.append(
            "bf16 needs weights that are confident of boxes: give --detector, such as"
            f" {HOW_TO_TRAIN} makes."
        )
    return notes


def compare_bf16(
    settings: DetectionSettings,
    weights: DetectorWeights,
    size: tuple[int, int],
    device: torch.device,
) -> list[str]:
    """Compare in bf16 at the image size that the detector was trained for; at others it is rarely
    confident.

    OutputsDifferError if too few of a peer's confident boxes are found again.
    """
    own = replace(settings, short_edge=size[0], long_edge=size[1])
    pairings = make_pairings(weights, settings.detectron2, *size, device, compiled=settings.compile)
    batches = make_batches(own, inference_batch(settings, device), device)
    lines = [line for pairing in pairings for line in pairing.compare_bf16(batches)]
    return [f"at {size[0]}/{size[1]}, for which the detector was trained: {line}" for line in lines]


def goals(device: torch.device, *, training: bool) -> tuple[Goal, ...]:
    """The goals for such a device."""
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
    """Batches of images of one size, wide ones first, so that torchvision's own resize leaves them
    unchanged.
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
    """The batch with random objects, the same in each call."""
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
    """Seconds of each subject by round, and on a CPU the least seconds of its arithmetic."""
    calls = {name: prepare(subject) for name, subject in subjects.items()}
    if device.type == "cuda":
        return interleave(calls, rounds, synchronize=torch.cuda.synchronize), {}
    return interleave(calls, rounds), {
        name: least_seconds(call, subjects[name].dtype) for name, call in calls.items()
    }


def describe_limit(timings: Sequence[Timings]) -> list[str]:
    """Lines that explain the limit and name the goals that no detector can reach here."""
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
    """Number of times that one training step of each subject waits for the GPU."""
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
