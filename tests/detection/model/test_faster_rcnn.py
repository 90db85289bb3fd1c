from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from detection.references import use_references
from tiny_detector import TINY, tiny_batch, tiny_detector

from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport
from tasks.detection.config import RoiConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.model.inference import for_inference
from tasks.detection.model.proposals import Proposals
from tasks.detection.model.select import select_detections
from tasks.engine.compilation import compile_parts

PROPOSALS = Proposals(
    torch.tensor([[[0.0, 0, 20, 20], [2, 0, 22, 20], [50, 50, 90, 90], [0, 0, 5, 5]]]),
    torch.tensor([[True, True, True, False]]),
)
SIZES = torch.tensor([[80, 100]])
OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def logits_of(*probabilities: list[float]) -> torch.Tensor:
    return torch.tensor([probabilities]).log()


def test_detections_are_chosen_per_class_by_hand() -> None:
    """The first two boxes overlap by 0.82: one of the same class goes; the third is clipped; the
    padding is dropped.
    """
    logits = logits_of([0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.02, 0.5, 0.48], [0.9, 0.05, 0.05])
    config = RoiConfig(detections_per_image=5)
    found = select_detections(
        PROPOSALS, logits, torch.zeros(1, 4, 2, 4), SIZES, config, OFFSET_WEIGHTS
    )
    assert found.labels[0].tolist() == [0, 1, 1, -1, -1]
    torch.testing.assert_close(found.scores[0, :3], torch.tensor([0.7, 0.5, 0.2]))
    assert found.boxes[0, 1].tolist() == [50, 50, 90, 80]
    assert found.valid[0].tolist() == [True, True, True, False, False]


def test_settings_of_the_test_time_rules_count() -> None:
    logits = logits_of([0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.02, 0.5, 0.48], [0.9, 0.05, 0.05])
    offsets = torch.zeros(1, 4, 2, 4)

    def labels(**settings: float) -> list[int]:
        config = replace(RoiConfig(), **settings)
        found = select_detections(PROPOSALS, logits, offsets, SIZES, config, OFFSET_WEIGHTS)
        return found.labels[found.valid].tolist()

    assert labels() == [0, 1, 1]
    assert labels(score_threshold=0.3) == [0, 1]
    assert labels(nms_threshold=0.9) == [0, 0, 1, 1, 1]
    assert labels(detections_per_image=1) == [0]
    assert labels(min_side=25.0) == [1]


@pytest.mark.parametrize("shape", [(32, 32), (96, 128), (64, 640)])
def test_detections_lie_inside_the_valid_part(shape: tuple[int, int]) -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.0))).eval()
    batch = tiny_batch([[], []], shape=shape)
    sizes = torch.tensor([[shape[0], shape[1]], [shape[0] - 7, shape[1] - 5]])
    with torch.no_grad():
        found = model(batch.images, sizes)
    assert found.valid.any(dim=1).all()
    for image, (height, width) in enumerate(sizes.tolist()):
        boxes = found.boxes[image, found.valid[image]]
        assert (boxes >= 0).all()
        assert (boxes[:, 2] <= width).all()
        assert (boxes[:, 3] <= height).all()


def test_padding_does_not_change_what_is_normalised() -> None:
    """Values in the padding are not seen: it is zero after the normalisation."""
    model = tiny_detector().eval()
    batch = tiny_batch([[]])
    sizes = torch.tensor([[60, 100]])
    noise = batch.images.clone()
    noise[:, :, 60:] = 200
    noise[:, :, :, 100:] = 3
    with torch.no_grad():
        zeros, noisy = model.features(batch.images, sizes), model.features(noise, sizes)
    assert list(zeros) == ["p2", "p3", "p4", "p5", "p6"]
    for name, level in zeros.items():
        assert torch.equal(level, noisy[name])


def test_nothing_found_is_an_empty_result() -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.999))).eval()
    batch = tiny_batch([[]])
    with torch.no_grad():
        found = model(batch.images, batch.sizes)
    assert not found.valid.any()
    assert found.boxes.shape == (1, 100, 4)


def test_bf16_trunk_keeps_boxes_and_scores_fp32() -> None:
    model = tiny_detector(replace(TINY, roi=replace(TINY.roi, score_threshold=0.0))).eval()
    batch = tiny_batch([[]])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = model.features(batch.images, batch.sizes)
        found = model.detect(features, batch.sizes, (96, 128))
    assert features["p2"].dtype == torch.bfloat16
    assert found.boxes.dtype == found.scores.dtype == torch.float32


def test_no_class_is_refused() -> None:
    with pytest.raises(UserError, match="at least one class"):
        build_faster_rcnn(TINY, 0)


def test_detector_weights_of_another_stride_position_are_refused() -> None:
    """They would fit by shape, and find less."""
    passport = Passport(architecture="resnet50", stride_in="1x1")
    with pytest.raises(UserError, match=r"model\.stride_in must be .*1x1, got 3x3"):
        build_faster_rcnn(replace(TINY, backbone="resnet50"), 3, passport=passport)


@pytest.mark.usefixtures("either_route")
def test_a_detector_computes_what_the_plain_references_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections, losses and gradients of a detector whose norms are constant."""
    config = replace(
        TINY,
        norm="batch",
        freeze_through="c5",
        rpn=replace(TINY.rpn, nms_passes=50),
        roi=replace(TINY.roi, score_threshold=0.0),
    )
    fast, plain = tiny_detector(config), tiny_detector(config)
    for model in (fast, plain):
        spread_statistics(model)
    batch = tiny_batch([[[10.0, 10, 60, 60], [70, 20, 120, 90]], []])

    losses = learn(fast, batch)
    with torch.no_grad():
        found = for_inference(fast)(batch.images, batch.sizes)
    use_references(monkeypatch, plain)
    plain_losses = learn(plain, batch)
    with torch.no_grad():
        expected = plain.eval()(batch.images, batch.sizes)

    torch.testing.assert_close(losses, plain_losses, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)
    assert found.valid.any(dim=1).all()
    torch.testing.assert_close(found.boxes, expected.boxes, rtol=0, atol=1e-3)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)
    assert torch.equal(found.labels, expected.labels)


def learn(model: FasterRCNN, batch: DetectionBatch) -> dict[str, torch.Tensor]:
    """Losses of the batch, whose gradients are left in the model."""
    losses = DetectionObjective(model.train())(batch)
    torch.stack(list(losses.values())).sum().backward()
    return losses


def test_features_are_channels_last_for_fc6_only_where_they_are_gathered(
    request: pytest.FixtureRequest,
) -> None:
    model = tiny_detector()
    assert for_inference(model).box_head.expects_channels_last
    request.getfixturevalue("gpu_routes")
    assert not for_inference(model).box_head.expects_channels_last
    assert not model.box_head.expects_channels_last


def test_weights_in_another_order_have_another_name() -> None:
    names = for_inference(tiny_detector()).state_dict()
    assert "box_head.fc6_channels_last.weight" in names
    assert "box_head.fc6.weight" not in names


def spread_statistics(model: torch.nn.Module) -> None:
    """Norms that change what they are given, the same in every model."""
    generator = torch.Generator().manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))


def test_folding_leaves_detections_in_place() -> None:
    config = replace(TINY, norm="batch", roi=replace(TINY.roi, score_threshold=0.0))
    model = tiny_detector(config).eval()
    spread_statistics(model)
    batch = tiny_batch([[]])
    with torch.no_grad():
        expected, found = (
            model(batch.images, batch.sizes),
            for_inference(model)(batch.images, batch.sizes),
        )
        again = for_inference(for_inference(model))(batch.images, batch.sizes)
    assert found.valid.any()
    torch.testing.assert_close(found.boxes, expected.boxes, rtol=0, atol=1e-4)
    torch.testing.assert_close(found.scores, expected.scores, rtol=0, atol=1e-5)
    assert torch.equal(again.scores, found.scores)


def test_a_copy_for_bf16_computes_what_autocast_does() -> None:
    """Weights that are made bf16 once, and classes and offsets predicted in fp32 all the same."""
    config = replace(TINY, norm="batch", roi=replace(TINY.roi, score_threshold=0.0))
    model = tiny_detector(config).eval()
    spread_statistics(model)
    batch = tiny_batch([[]])
    copies = for_inference(model), for_inference(model, bf16=True)
    assert {weight.dtype for weight in copies[1].box_head.classes.parameters()} == {torch.float32}
    assert copies[1].rpn.conv.weight.dtype == torch.bfloat16
    assert copies[1].box_head.fc6_channels_last.weight.dtype == torch.bfloat16
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected, found = (copy(batch.images, batch.sizes) for copy in copies)
    assert found.valid.any()
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.scores, expected.scores)


@pytest.mark.slow
def test_a_compiled_trunk_learns_the_same_under_the_same_names() -> None:
    """Two padded sizes; the backend runs the captured graphs as they are."""
    written, compiled = tiny_detector(), tiny_detector()
    compile_parts(compiled.trunk, backend="aot_eager")
    assert compiled.state_dict().keys() == written.state_dict().keys()
    for shape in ((64, 96), (96, 64)):
        batch = tiny_batch([[[10.0, 10, 50, 50]]], shape=shape)
        for model in (written, compiled):
            torch.stack(list(DetectionObjective(model)(batch).values())).sum().backward()
    for (name, ours), theirs in zip(compiled.named_parameters(), written.parameters(), strict=True):
        torch.testing.assert_close(
            ours.grad, theirs.grad, rtol=1e-3, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_a_copy_of_a_compiled_model_is_not_compiled() -> None:
    """What the moving average and the folded model of an evaluation are."""
    model = tiny_detector()
    compile_parts(model.trunk, backend="eager")
    assert model.backbone._compiled_call_impl is not None
    assert copy.deepcopy(model).backbone._compiled_call_impl is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_graphs_learn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps at two padded sizes: a size's first steps record its graphs, later ones replay
    them.
    """
    # the ten bits of TF32 would hide all else
    monkeypatch.setattr(torch.backends.cudnn.conv, "fp32_precision", "ieee")
    device = torch.device("cuda")
    written, replayed = (tiny_detector().to(device) for _ in range(2))
    compile_parts(replayed.trunk, graphs=True)
    for shape in ((64, 96), (96, 64)):
        batch = tiny_batch([[[10.0, 10, 50, 50]]], shape=shape).to(device)
        for _ in range(3):
            for model in (written, replayed):
                model.zero_grad(set_to_none=True)
                torch.stack(list(DetectionObjective(model)(batch).values())).sum().backward()
            for (name, ours), theirs in zip(
                replayed.named_parameters(), written.parameters(), strict=True
            ):
                torch.testing.assert_close(
                    ours.grad,
                    theirs.grad,
                    rtol=1e-3,
                    atol=1e-5,
                    msg=lambda text, n=name: f"{n}: {text}",
                )
