"""Which proposals the heads learn from, and what each of them is."""

from __future__ import annotations

from dataclasses import replace

import torch

from tasks.detection.config import RoiConfig
from tasks.detection.model.ground_truth import GroundTruth
from tasks.detection.model.proposals import Proposals
from tasks.detection.model.roi_sampling import sample_rois

TRUTH = GroundTruth(
    boxes=torch.tensor([[[0.0, 0, 10, 10], [20, 20, 40, 40], [60, 0, 90, 30], [0, 0, 0, 0]]]),
    labels=torch.tensor([[1, 0, 2, -1]]),
    is_object=torch.tensor([[True, True, False, False]]),
    crowd=torch.tensor([[False, False, True, False]]),
    keys=torch.tensor([3]),
)
PROPOSALS = Proposals(
    torch.tensor([[[0.0, 0, 10, 8], [21, 20, 40, 40], [50, 50, 60, 60], [61, 1, 80, 20], [0] * 4]]),
    torch.tensor([[True, True, True, True, False]]),
)
CONFIG = RoiConfig(samples=16, positive_fraction=0.5)


def test_samples_by_hand() -> None:
    """Two proposals and the two objects are positive; two are background, one of them in a crowd;
    padding, crowds and proposals that are not valid are never drawn.
    """
    rois = sample_rois(PROPOSALS, TRUTH, num_classes=3, config=CONFIG)
    drawn = sorted(
        (box, label)
        for box, label, valid in zip(
            rois.boxes[0].tolist(), rois.labels[0].tolist(), rois.valid[0].tolist(), strict=True
        )
        if valid
    )
    assert drawn == [
        ([0, 0, 10, 8], 1),
        ([0, 0, 10, 10], 1),
        ([20, 20, 40, 40], 0),
        ([21, 20, 40, 40], 0),
        ([50, 50, 60, 60], 3),
        ([61, 1, 80, 20], 3),
    ]
    positive = rois.positive[0]
    assert torch.equal(positive, rois.valid[0] & (rois.labels[0] < 3))
    labels = TRUTH.labels[0, rois.objects[0, positive]]
    assert torch.equal(labels, rois.labels[0, positive])
    boxes = TRUTH.boxes[0, rois.objects[0, positive]]
    assert torch.equal(boxes, rois.object_boxes[0, positive])


def test_background_in_crowds_is_left_out_when_asked() -> None:
    config = replace(CONFIG, ignore_crowd_iof=0.5)
    rois = sample_rois(PROPOSALS, TRUTH, num_classes=3, config=config)
    assert [61, 1, 80, 20] not in rois.boxes[0, rois.valid[0]].tolist()
    assert int(rois.valid.sum()) == 5


def test_positives_are_limited_to_their_fraction() -> None:
    config = replace(CONFIG, samples=4, positive_fraction=0.25)
    rois = sample_rois(PROPOSALS, TRUTH, num_classes=3, config=config)
    assert int(rois.positive.sum()) == 1
    assert int(rois.valid.sum()) == 3
