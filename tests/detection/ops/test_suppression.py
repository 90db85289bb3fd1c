import pytest
import torch
from torchvision.ops import nms

from tasks.detection.ops.suppression import nms_mask


def random_boxes(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(*shape, 2, generator=generator) * 60
    side = 1 + torch.rand(*shape, 2, generator=generator) * 60
    return torch.cat((corner, corner + side), dim=-1)


@pytest.mark.parametrize("passes", [None, 24])
def test_suppression_equals_torchvision(passes: int | None) -> None:
    boxes = random_boxes(3, 200)
    valid = torch.rand(3, 200, generator=torch.Generator().manual_seed(3)) > 0.2
    keep = nms_mask(boxes, valid, 0.5, passes)
    for image in range(3):
        own = boxes[image, valid[image]]
        kept = nms(own, torch.arange(len(own), 0, -1.0), 0.5)
        torch.testing.assert_close(boxes[image, keep[image]], own[kept.sort().values])


def test_one_pass_is_not_the_fixed_point() -> None:
    chain = torch.tensor([[0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0], [8.0, 0.0, 18.0, 10.0]])[
        None
    ]
    valid = torch.ones(1, 3, dtype=torch.bool)
    assert nms_mask(chain, valid, 0.4, passes=1).tolist() == [[True, False, False]]
    assert nms_mask(chain, valid, 0.4, passes=2).tolist() == [[True, False, True]]
    assert nms_mask(chain, valid, 0.4, passes=None).tolist() == [[True, False, True]]
