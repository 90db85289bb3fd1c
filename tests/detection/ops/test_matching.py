import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, Matcher
from torchvision.ops import box_iou

from tasks.detection.ops.matching import (
    IGNORED,
    NEGATIVE,
    POSITIVE,
    gather_rows,
    match,
    sample_anchors,
)
from tasks.engine.randomness import Stream


def grid_boxes(count: int, seed: int, step: float = 8.0) -> torch.Tensor:
    """Boxes on a coarse grid, so that equal overlaps are common."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.randint(0, 12, (count, 2), generator=generator) * step
    side = torch.randint(1, 6, (count, 2), generator=generator) * step
    return torch.cat((corner, corner + side), dim=1)


@pytest.mark.parametrize("low_quality", [True, False])
@pytest.mark.parametrize("overlaps_at_once", [1 << 24, 500])
def test_labels_equal_torchvisions_matcher_ties_included(
    low_quality: bool, overlaps_at_once: int
) -> None:
    anchors = grid_boxes(400, seed=0)
    objects = torch.stack([grid_boxes(9, seed=1), grid_boxes(9, seed=2)])
    is_object = torch.ones(2, 9, dtype=torch.bool)
    is_object[1, 6:] = False
    matches = match(
        anchors[None],
        objects,
        is_object,
        positive_iou=0.7,
        negative_iou=0.3,
        low_quality=low_quality,
        overlaps_at_once=overlaps_at_once,
    )
    matcher = Matcher(0.7, 0.3, allow_low_quality_matches=low_quality)
    for image in range(2):
        expected = matcher(box_iou(objects[image, is_object[image]], anchors))
        match_labels = matches.match_labels[image]
        ours = torch.where(
            match_labels == POSITIVE,
            matches.objects[image],
            torch.where(match_labels == NEGATIVE, -1, -2),
        )
        assert torch.equal(ours, expected)
    overlaps = box_iou(objects[0], anchors)
    assert ((overlaps == overlaps.amax(dim=1, keepdim=True)).sum(dim=1) > 1).any(), (
        "the test needs ties"
    )


def test_image_without_objects_is_all_negative() -> None:
    matches = match(
        grid_boxes(50, seed=0)[None],
        torch.zeros(1, 8, 4),
        torch.zeros(1, 8, dtype=torch.bool),
        positive_iou=0.7,
        negative_iou=0.3,
        low_quality=True,
    )
    assert (matches.match_labels == NEGATIVE).all()


def test_anchors_inside_a_crowd_are_ignored_when_asked() -> None:
    anchors = torch.tensor(
        [[0.0, 0.0, 10.0, 10.0], [40.0, 40.0, 50.0, 50.0], [95.0, 0.0, 105.0, 10.0]]
    )[None]
    crowd_box = torch.tensor([[[0.0, 0.0, 100.0, 20.0]]])
    absent, crowd = torch.zeros(1, 1, dtype=torch.bool), torch.ones(1, 1, dtype=torch.bool)
    rules = {"positive_iou": 0.7, "negative_iou": 0.3, "low_quality": True}
    asked = match(anchors, crowd_box, absent, crowd=crowd, ignore_iof=0.5, **rules)
    assert asked.match_labels.tolist() == [[IGNORED, NEGATIVE, IGNORED]]
    assert match(anchors, crowd_box, absent, crowd=crowd, **rules).match_labels.tolist() == [
        [NEGATIVE] * 3
    ]


def test_five_hundred_objects_and_coco_anchors_stay_in_bounded_memory() -> None:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(268_569, 2, generator=generator) * 800
    anchors = torch.cat((corner, corner + 32), dim=1)[None]
    objects = anchors[:, torch.randperm(268_569, generator=generator)[:500]]
    is_object = torch.ones(1, 500, dtype=torch.bool)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        matches = match(
            anchors, objects, is_object, positive_iou=0.7, negative_iou=0.3, low_quality=True
        )
    held = peak = 0
    for event in profile.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert peak < 600 * 2**20, f"{peak / 2**20:.0f} MiB"
    assert (matches.match_labels == POSITIVE).sum() >= 500


@pytest.mark.parametrize(
    ("positives", "negatives"), [(5, 300), (200, 300), (5, 20), (0, 300), (0, 0), (300, 10)]
)
def test_sampled_counts_equal_torchvisions(positives: int, negatives: int) -> None:
    match_labels = torch.full((1, 600), IGNORED, dtype=torch.int8)
    match_labels[0, :positives] = POSITIVE
    match_labels[0, positives : positives + negatives] = NEGATIVE
    samples = sample_anchors(match_labels, torch.tensor([3]), Stream.ANCHORS, 64, 0.5)
    expected_positive, expected_negative = BalancedPositiveNegativeSampler(64, 0.5)(
        [match_labels[0].float()]
    )
    assert samples.positive.sum() == expected_positive[0].sum()
    assert (samples.valid & ~samples.positive).sum() == expected_negative[0].sum()
    drawn = match_labels.gather(1, samples.indices)
    assert (drawn[samples.positive] == POSITIVE).all()
    assert (drawn[samples.valid & ~samples.positive] == NEGATIVE).all()
    chosen = samples.indices[samples.valid]
    assert len(chosen.unique()) == len(chosen)


def test_draws_are_uniform() -> None:
    """Over 2,000 draws each of 40 positives is taken as often as binomial noise allows (five
    standard deviations).
    """
    match_labels = torch.full((2000, 100), NEGATIVE, dtype=torch.int8)
    match_labels[:, ::5] = POSITIVE
    match_labels[:, 1::5] = POSITIVE
    samples = sample_anchors(match_labels, torch.arange(2000), Stream.ANCHORS, 32, 0.5)
    taken = torch.zeros(2000, 100).scatter_(1, samples.indices, samples.valid.float()).sum(dim=0)
    for label, share in ((POSITIVE, 16 / 40), (NEGATIVE, 16 / 60)):
        counts = taken[match_labels[0] == label]
        deviation = (2000 * share * (1 - share)) ** 0.5
        assert (counts - 2000 * share).abs().max() < 5 * deviation


def test_draw_depends_on_key_and_stream_alone() -> None:
    match_labels = torch.full((3, 500), NEGATIVE, dtype=torch.int8)
    keys = torch.tensor([7, 8, 7])
    samples = sample_anchors(match_labels, keys, Stream.ANCHORS, 20, 0.5)
    assert torch.equal(samples.indices[0], samples.indices[2])
    assert not torch.equal(samples.indices[0], samples.indices[1])
    assert torch.equal(
        sample_anchors(match_labels[1:2], keys[1:2], Stream.ANCHORS, 20, 0.5).indices[0],
        samples.indices[1],
    )
    assert not torch.equal(
        sample_anchors(match_labels, keys, Stream.PROPOSALS, 20, 0.5).indices, samples.indices
    )


def test_rows_are_gathered_of_each_image() -> None:
    values = torch.arange(12.0).view(2, 3, 2)
    assert gather_rows(values, torch.tensor([[2], [0]])).tolist() == [[[4.0, 5.0]], [[6.0, 7.0]]]
