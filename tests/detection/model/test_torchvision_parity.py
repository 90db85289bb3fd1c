"""The same random weights in torchvision's Faster R-CNN and in ours: same detections, losses and
gradients.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.models.detection import FasterRCNN as TorchvisionFasterRCNN
from torchvision.models.detection import fasterrcnn_resnet50_fpn

from tasks.detection.config import DetectionConfig, ModelConfig
from tasks.detection.data.batch import DetectionBatch
from tasks.detection.losses import DetectionObjective
from tasks.detection.model.faster_rcnn import FasterRCNN, build_faster_rcnn
from tasks.detection.model.torchvision_names import from_torchvision
from tasks.engine.config import load_config

ROOT = Path(__file__).resolve().parents[3]
CLASSES = 90


def torchvision_detector(**settings: float) -> TorchvisionFasterRCNN:
    """Random weights that find something: residual branches damped, predictors spread out."""
    torch.manual_seed(0)
    model = fasterrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES + 1,
        min_size=480,
        max_size=640,
        **settings,
    )
    from torchvision.ops.misc import FrozenBatchNorm2d

    for module in list(model.backbone.body.modules()):
        for child_name, child in list(module.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d):
                frozen = FrozenBatchNorm2d(child.num_features)
                frozen.weight.fill_(0.2 if child_name == "bn3" else 1.0).add_(
                    0.05 * torch.rand(child.num_features)
                )
                frozen.bias.normal_(std=0.05)
                setattr(module, child_name, frozen)
    for layer, deviation in (
        (model.rpn.head.cls_logits, 0.2),
        (model.rpn.head.bbox_pred, 0.02),
        (model.roi_heads.box_predictor.cls_score, 0.3),
        (model.roi_heads.box_predictor.bbox_pred, 0.2),
    ):
        torch.nn.init.normal_(layer.weight, std=deviation)
    return model.eval()


def our_detector(theirs: TorchvisionFasterRCNN, model: ModelConfig) -> FasterRCNN:
    model = replace(model, weights=None, norm="batch", freeze_through="none")
    ours = build_faster_rcnn(model, CLASSES)
    missing, unexpected = ours.load_state_dict(from_torchvision(theirs.state_dict()), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return ours.eval()


@pytest.fixture(scope="module")
def recipe() -> ModelConfig:
    config: DetectionConfig = load_config(
        DetectionConfig, str(ROOT / "configs/faster_rcnn_r50_torchvision.yaml"), []
    )
    return config.model


@pytest.fixture(scope="module")
def photos(coco200: Path) -> list[np.ndarray]:
    """Two real images of 640x480 pixels, which torchvision's transform at 480/640 leaves as they
    are.
    """
    found = []
    for path in sorted((coco200 / "images" / "train").glob("*.jpg")):
        with Image.open(path) as image:
            if image.size == (640, 480) and image.mode == "RGB":
                found.append(np.asarray(image))
        if len(found) == 2:
            return found
    raise AssertionError("no two images of 640x480 in coco200")


def as_tensor(photo: np.ndarray) -> Tensor:
    return torch.from_numpy(photo.copy()).permute(2, 0, 1)


def make_batch(photos: list[np.ndarray], boxes: Tensor, labels: Tensor) -> DetectionBatch:
    images = torch.stack([as_tensor(photo) for photo in photos])
    sizes = torch.tensor([photo.shape[:2] for photo in photos])
    return DetectionBatch(
        images=images,
        sizes=sizes,
        scales=torch.ones(len(photos), 2),
        original_sizes=sizes,
        boxes=boxes,
        labels=labels,
        crowd=torch.zeros_like(labels, dtype=torch.bool),
        image_ids=torch.arange(len(photos)),
        keys=torch.arange(len(photos)),
    )


@pytest.mark.usefixtures("either_route")
def test_detections_equal_torchvisions(recipe: ModelConfig, photos: list[np.ndarray]) -> None:
    theirs = torchvision_detector(box_score_thresh=0.05)
    ours = our_detector(theirs, recipe)
    images = torch.stack([as_tensor(photo) for photo in photos])
    with torch.no_grad():
        expected = theirs([image / 255 for image in images])
        found = ours(images, torch.tensor([[480, 640]] * 2))
    for image, wanted in enumerate(expected):
        valid = found.valid[image]
        assert len(wanted["boxes"]) >= 20, (
            "the weights must find something for the test to say anything"
        )
        torch.testing.assert_close(found.boxes[image, valid], wanted["boxes"], rtol=0, atol=0.01)
        torch.testing.assert_close(found.scores[image, valid], wanted["scores"], rtol=0, atol=1e-4)
        assert torch.equal(found.labels[image, valid] + 1, wanted["labels"])


def test_losses_and_gradients_equal_torchvisions(
    recipe: ModelConfig, photos: list[np.ndarray]
) -> None:
    """Both sample every anchor and every proposal, so that chance has no part."""
    everything = 10_000_000
    theirs = torchvision_detector()
    for sampler in (theirs.rpn.fg_bg_sampler, theirs.roi_heads.fg_bg_sampler):
        sampler.batch_size_per_image, sampler.positive_fraction = everything, 0.5
    theirs.rpn._pre_nms_top_n = {"training": 300, "testing": 300}
    theirs.rpn._post_nms_top_n = {"training": 200, "testing": 200}
    rpn = replace(recipe.rpn, samples=everything, train_pre_nms=300, train_post_nms=200)
    roi = replace(recipe.roi, samples=everything, positive_fraction=0.5)
    ours = our_detector(theirs, replace(recipe, rpn=rpn, roi=roi))

    boxes = torch.zeros(2, 8, 4)
    labels = torch.full((2, 8), -1)
    boxes[0, :3] = torch.tensor(
        [[20.0, 30, 200, 300], [100, 50, 130, 90], [400.5, 200.25, 639, 479]]
    )
    labels[0, :3] = torch.tensor([4, 0, 89])
    boxes[1, :1] = torch.tensor([[300.0, 10, 420, 470]])
    labels[1, :1] = 17
    targets = [
        {"boxes": boxes[i, labels[i] >= 0], "labels": labels[i, labels[i] >= 0] + 1}
        for i in range(2)
    ]

    theirs.train()
    wanted = theirs([as_tensor(photo) / 255 for photo in photos], targets)
    losses = DetectionObjective(ours)(make_batch(photos, boxes, labels))
    names = {
        "rpn/class": "loss_objectness",
        "rpn/box": "loss_rpn_box_reg",
        "roi/class": "loss_classifier",
        "roi/box": "loss_box_reg",
    }
    for name, their_name in names.items():
        torch.testing.assert_close(losses[name], wanted[their_name], rtol=1e-4, atol=1e-6)

    sum(wanted.values()).backward()
    sum(losses.values()).backward()  # type: ignore[union-attr]
    expected = from_torchvision(
        {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    )
    checked = 0
    for name, parameter in ours.named_parameters():
        if name in expected:
            assert parameter.grad is not None, name
            difference = (parameter.grad - expected[name]).norm() / expected[name].norm().clamp(
                min=1e-12
            )
            assert difference < 1e-3, f"{name}: gradients differ by {difference:.2g} of their norm"
            checked += 1
    assert checked > 60
