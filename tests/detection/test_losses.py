from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_detector import TINY, tiny_batch, tiny_detector
from torch.utils._python_dispatch import TorchDispatchMode

from resnet_backbones.weights.passport import Passport
from tasks.detection.config import DetectionConfig, ModelConfig, RpnConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.model.region_proposer import rpn_losses
from tasks.detection.ops import rpn
from tasks.detection.ops.losses import box_loss
from tasks.detection.ops.matching import SampledAnchors
from tasks.engine.config import load_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
BOXES = [[[10.0, 10, 60, 60], [70, 20, 120, 90]], [[5.0, 40, 30, 90]]]


def run(batch: DetectionBatch, config: ModelConfig = TINY) -> tuple[FasterRCNN, torch.Tensor]:
    model = tiny_detector(config)
    losses = DetectionObjective(model)(batch)
    total = torch.stack(list(losses.values())).sum()
    total.backward()
    return model, total


def with_passes(passes: int) -> ModelConfig:
    return replace(TINY, rpn=replace(TINY.rpn, nms_passes=passes))


def assert_learns(model: torch.nn.Module, total: torch.Tensor) -> None:
    assert total.isfinite()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"no gradient reaches {name}"
        assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"


@pytest.mark.parametrize(
    "boxes",
    [
        BOXES,
        [[], []],
        [BOXES[0], []],
        [[[50.0, 50, 51, 51]], [[0.0, 0, 128, 96]]],
        [[[3.0, 40, 125, 52]], []],
    ],
    ids=["objects", "no objects", "one image without", "one pixel and whole image", "1:10"],
)
def test_every_parameter_gets_a_finite_gradient(boxes: list[list[list[float]]]) -> None:
    assert_learns(*run(tiny_batch(boxes)))


@pytest.mark.usefixtures("either_route")
def test_every_parameter_gets_a_finite_gradient_in_bf16() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        model, total = run(tiny_batch(BOXES), with_passes(8))
    assert_learns(model, total)


def test_image_of_32_pixels_learns() -> None:
    assert_learns(*run(tiny_batch([[[2.0, 2, 30, 30]]], shape=(32, 32))))


def test_image_of_two_thousand_objects_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2000, 2, generator=generator) * 80
    boxes = torch.cat((corner, corner + 1 + torch.rand(2000, 2, generator=generator) * 15), dim=1)
    assert_learns(*run(tiny_batch([boxes.tolist()], max_objects=2048)))


def test_crowds_are_no_objects() -> None:
    """A batch with crowds only has the losses of one without objects."""
    with_crowds = DetectionObjective(tiny_detector())(tiny_batch(BOXES, crowd=True))
    without = DetectionObjective(tiny_detector())(tiny_batch([[], []]))
    for name, loss in without.items():
        torch.testing.assert_close(with_crowds[name], loss)


def test_negatives_inside_crowds_are_ignored_when_asked() -> None:
    config = replace(
        TINY,
        rpn=replace(TINY.rpn, ignore_crowd_iof=0.01),
        roi=replace(TINY.roi, ignore_crowd_iof=0.01),
    )
    batch = tiny_batch([[[0.0, 0, 128, 96]], [[0.0, 0, 128, 96]]], crowd=True)
    losses = DetectionObjective(tiny_detector(config))(batch)
    assert losses["roi/class"] == 0
    assert losses["rpn/class"] < 0.2  # anchors wholly outside the image still count


def test_losses_without_gradients_equal_those_of_training() -> None:
    objective = DetectionObjective(tiny_detector())
    batch = tiny_batch(BOXES)
    training = objective(batch)
    with torch.no_grad():
        validation = objective(batch)
    for name, loss in training.items():
        torch.testing.assert_close(validation[name], loss.detach(), rtol=1e-5, atol=1e-6)


def test_a_batch_has_the_mean_of_its_images_losses() -> None:
    """What makes one gradient of any split over ranks and micro-batches."""
    model = tiny_detector()
    together = DetectionObjective(model)(tiny_batch(BOXES))
    batch = tiny_batch(BOXES)
    alone = []
    for image in range(2):
        fields = {
            name: getattr(batch, name)[image : image + 1] for name in batch.__dataclass_fields__
        }
        alone.append(DetectionObjective(model)(type(batch)(**fields)))
    for name, loss in together.items():
        torch.testing.assert_close(
            loss, (alone[0][name] + alone[1][name]) / 2, rtol=1e-4, atol=1e-6
        )


def test_gpu_routes_have_the_losses_of_the_cpus(request: pytest.FixtureRequest) -> None:
    _, cpu = run(tiny_batch(BOXES))
    request.getfixturevalue("gpu_routes")
    _, gpu = run(tiny_batch(BOXES), with_passes(50))
    torch.testing.assert_close(gpu, cpu, rtol=1e-4, atol=1e-6)


def test_a_sparse_backward_pass_has_the_losses_and_gradients_of_a_dense_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, total = run(tiny_batch(BOXES))
    anchors = 3 * sum(height * width for height, width in ((24, 32), (12, 16), (6, 8), (3, 4)))
    assert rpn.sparse_pays(TINY.rpn.samples, 3, anchors)
    monkeypatch.setattr(rpn, "sparse_pays", lambda *_: False)
    dense, expected = run(tiny_batch(BOXES))
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-6)
    for (name, parameter), other in zip(model.named_parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(
            parameter.grad,
            other.grad,
            rtol=1e-3,
            atol=1e-5,
            msg=lambda text, n=name: f"{n}: {text}",
        )


def test_rpn_losses_by_hand() -> None:
    """Two slots: a positive with logit 0 and one offset off by 2, and an empty one."""
    samples = SampledAnchors(
        torch.zeros(1, 2, dtype=torch.int64),
        torch.tensor([[True, False]]),
        torch.tensor([[True, False]]),
    )
    logits, offsets = torch.tensor([[0.0, 9.0]]), torch.zeros(1, 2, 4)
    targets = torch.tensor([[[2.0, 0, 0, 0], [torch.inf] * 4]])
    fixed = rpn_losses(logits, offsets, targets, samples, RpnConfig(samples=4))
    assert fixed["rpn/class"].item() == pytest.approx(0.693147 / 4)
    assert fixed["rpn/box"].item() == pytest.approx(2 / 4)
    sampled = rpn_losses(
        logits, offsets, targets, samples, RpnConfig(samples=4, normalizer="sampled")
    )
    assert sampled["rpn/box"].item() == pytest.approx(2)


def test_smooth_l1_by_hand() -> None:
    """Below beta x² / (2 beta), above it |x| - beta / 2."""
    offsets = torch.tensor([0.05, 1.0])
    assert box_loss(offsets, torch.zeros(2), "smooth_l1", 0.1).item() == pytest.approx(
        0.0125 + 0.95
    )
    assert box_loss(offsets, torch.zeros(2), "l1", 0.1).item() == pytest.approx(1.05)


class NoSynchronisation(TorchDispatchMode):
    """Refuse every operation that would make the host wait for a GPU."""

    REFUSED = (
        "aten._local_scalar_dense",
        "aten.item",
        "aten.nonzero",
        "aten.masked_select",
        "aten.unique",
        "aten._unique",
        "aten.equal",
        "aten.is_nonzero",
        "aten.repeat_interleave.Tensor",
        "aten.bincount",
        "torchvision.nms",
    )

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = str(func)
        if name.startswith(self.REFUSED):
            raise AssertionError(f"{name} waits for the device")
        if name.startswith(("aten.index.", "aten.index_put")):
            indices = [index for index in args[1] if index is not None]
            if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
                raise AssertionError(f"{name} with a mask waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("crowd_rule", [None, 0.5])
def test_gpu_routes_never_wait_for_the_device(
    gpu_routes: None, sparse: bool, crowd_rule: float | None
) -> None:
    samples = 32 if sparse else 4000
    proposing = replace(TINY.rpn, samples=samples, nms_passes=8, ignore_crowd_iof=crowd_rule)
    roi = replace(TINY.roi, ignore_crowd_iof=crowd_rule)
    objective = DetectionObjective(tiny_detector(replace(TINY, rpn=proposing, roi=roi)))
    with NoSynchronisation():
        torch.stack(list(objective(tiny_batch(BOXES)).values())).sum().backward()


def test_the_refusal_refuses() -> None:
    with NoSynchronisation(), pytest.raises(AssertionError, match="waits for the device"):
        torch.ones(3)[torch.tensor([True, False, True])]
    with NoSynchronisation(), pytest.raises(AssertionError, match="waits for the device"):
        torch.ones(1).item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_step_on_a_gpu_never_waits_for_it() -> None:
    device = torch.device("cuda")
    objective = DetectionObjective(tiny_detector().to(device))
    for _ in range(2):
        torch.stack(list(objective(tiny_batch(BOXES).to(device)).values())).sum().backward()
    other_size = tiny_batch(BOXES, shape=(128, 160)).to(device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.stack(list(objective(other_size).values())).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_the_recipe_on_vgg_trains_from_its_third_stage_on() -> None:
    """A step of its network, pyramid and heads made small; VGG's maps round down."""
    recipe = load_config(DetectionConfig, CONFIGS / "faster_rcnn_vgg16_fpn.yaml", []).model
    small = replace(TINY, backbone=recipe.backbone, weights=recipe.weights, norm=recipe.norm)
    torch.manual_seed(0)
    model = build_faster_rcnn(small, 3, passport=Passport(architecture=recipe.backbone))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    total = torch.stack(list(DetectionObjective(model)(tiny_batch(BOXES)).values())).sum()
    total.backward()
    torch.optim.SGD(model.parameters(), lr=1e-4).step()
    assert total.isfinite()
    same = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    stages = {name.partition(".features.")[2].partition(".")[0] for name in same}
    assert stages == {"0", "3", "7", "10"}, "the convolutions of c1 and c2"
