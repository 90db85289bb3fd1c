"""Time semantic segmentation against peers with the same weights: the FPN of
segmentation_models_pytorch (smp), and torchvision's DeepLabV3.

The peers run as their users start them, in fp32 and NCHW. Ours runs in channels_last from bytes, in
fp32, and also in bf16 where that is our default on the machine. All give logits of every pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.backbones import TOLERANCE, random_state
from benchmarks.common import Goal, OutputsDifferError, Report, Timings, interleave
from benchmarks.detectors import arithmetic, make_step
from resnet_backbones.weights.passport import Passport
from tasks.engine.compilation import compile_parts
from tasks.engine.evaluation import evaluation_mode
from tasks.engine.precision import Precision
from tasks.vision.semantic.segmenter import SegmentationNetwork, build_segmenter, for_inference
from tasks.vision.semantic.smp_names import from_smp
from tasks.vision.semantic.torchvision_names import from_torchvision
from tasks.vision.settings_semantic import SemanticHeadConfig, SemanticModelConfig

Network = Literal["fpn", "deeplabv3"]
NETWORKS: tuple[Network, ...] = ("fpn", "deeplabv3")
PEERS: dict[Network, str] = {"fpn": "smp", "deeplabv3": "torchvision"}
CLASSES = 21
OURS, OURS_BF16, COMPILED = "ours fp32", "ours bf16", "ours bf16 compiled"
HEADS: dict[Network, SemanticHeadConfig] = {
    "fpn": SemanticHeadConfig(smooth=False, upsample="bilinear_corners"),
    "deeplabv3": SemanticHeadConfig(kind="deeplabv3", norm="batch"),
}


@dataclass(frozen=True, kw_only=True)
class SegmentationSettings:
    """Networks, images and numbers of rounds."""

    networks: tuple[Network, ...]
    backbone: str
    size: int
    batch: int
    compile: bool
    rounds: int


@dataclass(frozen=True)
class SegmentationBatch:
    """B images of one size with a label for every pixel."""

    images: Tensor  # (B, 3, H, W) uint8
    sizes: Tensor  # (B, 2)
    labels: Tensor  # (B, H, W) int64


class Subject(Protocol):
    """A network in one precision."""

    def predicting(self, batch: SegmentationBatch) -> Callable[[], Tensor]:
        """A call that gives the logits (B, K, H, W) of the batch."""

    def training(self, batch: SegmentationBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch; the learning rate is 0, so the weights
        stay.
        """


@dataclass
class Ours:
    """Our segmenter."""

    model: SegmentationNetwork
    bf16: bool = False
    compiled: bool = False
    """Whether backbone, pyramid and head are compiled."""

    def predicting(self, batch: SegmentationBatch) -> Callable[[], Tensor]:
        """A call that gives the logits (B, K, H, W) of the batch."""
        segmenter = for_inference(self.model, bf16=self.bf16)
        if self.compiled:
            compile_parts(segmenter.trunk)

        def predict() -> Tensor:
            with evaluation_mode(segmenter):
                return self._logits(segmenter, batch)

        return predict

    def training(self, batch: SegmentationBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch."""
        labels = batch.labels.flatten()

        def losses() -> Sequence[Tensor]:
            logits = self._logits(self.model, batch)  # of one place after another in memory
            return [F.cross_entropy(logits.permute(0, 2, 3, 1).flatten(0, 2), labels)]

        return make_step(self.model, losses, lambda: arithmetic("ieee", batch.images.device))

    def _logits(self, model: SegmentationNetwork, batch: SegmentationBatch) -> Tensor:
        kind: Literal["ieee", "bf16"] = "bf16" if self.bf16 else "ieee"
        height, width = batch.images.shape[2:]
        with arithmetic(kind, batch.images.device):
            return model.enlarge(model(batch.images, batch.sizes), (height, width))


@dataclass
class Peer:
    """A network that takes normalised images and gives logits of every pixel; torchvision's returns
    them in a dictionary.
    """

    model: nn.Module

    def predicting(self, batch: SegmentationBatch) -> Callable[[], Tensor]:
        """A call that gives the logits (B, K, H, W) of the batch."""
        images = _normalised(batch)

        def predict() -> Tensor:
            self.model.eval()
            with torch.no_grad():
                return self._logits(images)

        return predict

    def training(self, batch: SegmentationBatch) -> Callable[[], None]:
        """A call that makes one training step on the batch."""
        images = _normalised(batch)
        return make_step(
            self.model,
            lambda: [F.cross_entropy(self._logits(images), batch.labels)],
            lambda: arithmetic("ieee", images.device),
        )

    def _logits(self, images: Tensor) -> Tensor:
        found = self.model(images)
        logits: Tensor = found["out"] if isinstance(found, Mapping) else found
        return logits


def run(settings: SegmentationSettings) -> Report:
    """Compare logits, then time inference and training step; OutputsDifferError if they differ."""
    default = Precision.resolve("auto", torch.device("cpu")).name
    batch = make_batch(settings)
    checks: list[str] = []
    timings: list[Timings] = []
    for network in settings.networks:
        subjects = make_subjects(network, settings, bf16=default == "bf16")
        predicting = {name: subject.predicting(batch) for name, subject in subjects.items()}
        checks.append(check_equal(network, predicting))
        what = f"{network}, {settings.backbone}, {settings.size} px, batch {settings.batch}"
        seconds = interleave(predicting, settings.rounds)
        promised = goals(network, training=False)
        timings.append(Timings(f"inference, {what}", seconds, promised, settings.batch))
        training = {
            name: subject.training(batch) for name, subject in subjects.items() if name != COMPILED
        }  # compiled training is slower on a CPU
        seconds = interleave(training, settings.rounds)
        promised = goals(network, training=True)
        timings.append(Timings(f"training step, {what}", seconds, promised, settings.batch))
    notes = (
        f"Our default precision on this machine: {default}. The loss is the cross-entropy of every"
        " pixel; without auxiliary heads and dropout, random weights.",
    )
    return Report("segmentation", "Semantic segmentation", tuple(checks), tuple(timings), notes)


def make_batch(settings: SegmentationSettings) -> SegmentationBatch:
    """Random images and labels, the same in each call."""
    generator = torch.Generator().manual_seed(0)
    shape = (settings.batch, settings.size, settings.size)
    images = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, CLASSES, shape, generator=generator)
    sizes = torch.tensor([[settings.size, settings.size]] * settings.batch)
    return SegmentationBatch(images.permute(0, 3, 1, 2), sizes, labels)


def make_subjects(
    network: Network, settings: SegmentationSettings, *, bf16: bool
) -> dict[str, Subject]:
    """Make the peer, and ours in each precision, each with its own network and the same weights."""
    theirs = _peer(network, settings)
    theirs.load_state_dict(random_state(theirs.state_dict()))
    convert = from_smp if network == "fpn" else from_torchvision
    state = convert(theirs.state_dict())
    config = SemanticModelConfig(backbone=settings.backbone, head=HEADS[network])

    def ours(*, bf16: bool = False, compiled: bool = False) -> Ours:
        passport = Passport(architecture=settings.backbone)
        model = build_segmenter(config, CLASSES, passport)
        model.load_state_dict(state)
        return Ours(model, bf16, compiled)

    subjects: dict[str, Subject] = {PEERS[network]: Peer(theirs), OURS: ours()}
    if bf16:
        subjects[OURS_BF16] = ours(bf16=True)
    if bf16 and settings.compile:
        subjects[COMPILED] = ours(bf16=True, compiled=True)
    return subjects


def check_equal(network: Network, predicting: Mapping[str, Callable[[], Tensor]]) -> str:
    """Return a line with the differences of the logits; OutputsDifferError if one is too large."""
    expected, *others = (predict() for predict in predicting.values())
    lines = []
    for name, found in zip(list(predicting)[1:], others, strict=True):
        allowed = TOLERANCE["fp32" if name == OURS else "bf16"]
        difference = float((expected - found).norm() / expected.norm())
        labels = float((expected.argmax(1) == found.argmax(1)).float().mean())
        if not difference <= allowed:
            raise OutputsDifferError(
                f"{network}, {name}: logits differ by {difference:.3g} of their norm, allowed are"
                f" {allowed:g}"
            )
        lines.append(f"{name} {difference:.1e} (allowed: {allowed:g}), {labels:.2%} equal labels")
    return f"{network}, logits, norm of the difference over norm: {'; '.join(lines)}"


def goals(network: Network, *, training: bool) -> tuple[Goal, ...]:
    """The goals."""
    peer = PEERS[network]
    if network == "deeplabv3":
        return (Goal(OURS_BF16, peer, 1.5),)
    if training:
        return Goal(OURS, peer, 1.1), Goal(OURS_BF16, peer, 1.9)
    return Goal(OURS, peer, 1.3), Goal(OURS_BF16, peer, 2.2), Goal(COMPILED, peer, 3.0)


def _peer(network: Network, settings: SegmentationSettings) -> nn.Module:
    """The peer's network with random weights and without dropout."""
    if network == "fpn":
        import segmentation_models_pytorch as smp

        fpn: nn.Module = smp.FPN(
            settings.backbone,
            encoder_weights=None,
            classes=CLASSES,
            decoder_dropout=0.0,
        )
        return fpn
    from torchvision.models import get_model

    deeplab: nn.Module = get_model(
        f"deeplabv3_{settings.backbone}",
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
    )
    for module in deeplab.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return deeplab


def _normalised(batch: SegmentationBatch) -> Tensor:
    """The images as the peers take them: (B, 3, H, W) float32, contiguous."""
    passport = Passport(architecture="resnet50")
    mean = torch.tensor(passport.mean).reshape(1, -1, 1, 1)
    std = torch.tensor(passport.std).reshape(1, -1, 1, 1)
    return ((batch.images / 255 - mean) / std).contiguous()
