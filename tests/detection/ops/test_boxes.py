import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_iou as torchvision_iou

from tasks.detection.ops.boxes import (
    box_iou,
    clip_to_image,
    decode,
    encode,
    intersection_over_first,
    is_nonempty,
)


def random_boxes(*shape: int, seed: int = 0, extent: float = 100.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(*shape, 2, generator=generator) * extent
    return torch.cat(
        (corner, corner + 1 + torch.rand(*shape, 2, generator=generator) * extent), dim=-1
    )


def test_iou_equals_torchvision() -> None:
    first, second = random_boxes(2, 50), random_boxes(2, 30, seed=1)
    for image in range(2):
        torch.testing.assert_close(
            box_iou(first, second)[image],
            torchvision_iou(first[image], second[image]),
            rtol=0,
            atol=0,
        )


def test_intersection_over_first_is_the_share_of_the_first_box() -> None:
    inner = torch.tensor([[0.0, 0.0, 4.0, 2.0]])
    outer = torch.tensor([[2.0, 0.0, 50.0, 50.0]])
    assert intersection_over_first(inner, outer).item() == pytest.approx(0.5)


def test_encode_by_hand() -> None:
    anchor = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    box = torch.tensor([[5.0, 5.0, 25.0, 25.0]])  # centre (15, 15), 20 x 20
    expected = torch.tensor([[1.0, 0.25, math.log(2), 0.0]])
    torch.testing.assert_close(encode(box, anchor, (1, 1, 1, 1)), expected)


def test_coding_equals_torchvision() -> None:
    anchors, boxes = random_boxes(40), random_boxes(40, seed=1)
    weights = (10.0, 10.0, 5.0, 5.0)
    coder = BoxCoder(weights)
    torch.testing.assert_close(encode(boxes, anchors, weights), coder.encode_single(boxes, anchors))
    offsets = (
        torch.randn(40, 4, generator=torch.Generator().manual_seed(2)) * 20
    )  # beyond the largest log ratio too
    torch.testing.assert_close(
        decode(offsets, anchors, weights), coder.decode_single(offsets, anchors)
    )


def test_decode_inverts_encode() -> None:
    anchors, boxes = random_boxes(2, 30), random_boxes(2, 30, seed=1)
    weights = (10.0, 10.0, 5.0, 5.0)
    torch.testing.assert_close(decode(encode(boxes, anchors, weights), anchors, weights), boxes)


def test_clipping_takes_each_images_own_size() -> None:
    boxes = torch.tensor([-5.0, -5.0, 50.0, 60.0]).expand(2, 3, 4)
    clipped = clip_to_image(boxes, torch.tensor([[10, 20], [30, 40]]))
    assert clipped[0, 0].tolist() == [0, 0, 20, 10]
    assert clipped[1, 2].tolist() == [0, 0, 40, 30]


def test_boxes_are_nonempty_by_hand() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1], [0, 0, 0, 5], [3, 3, 2, 9]])
    assert is_nonempty(boxes, 0).tolist() == [True, True, False, False]
    assert is_nonempty(boxes, 2).tolist() == [True, False, False, False]
