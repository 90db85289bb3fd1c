import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator as TorchvisionAnchors
from torchvision.models.detection.image_list import ImageList

from tasks.detection.config import AnchorConfig, RpnConfig
from tasks.detection.model.anchors import AnchorGenerator, cell_anchors
from tasks.detection.model.region_proposer import RpnHead, propose
from tasks.detection.ops.kernels.cells import bordered_rows

SHAPES = ((16, 24), (8, 12), (4, 6))


def make_levels(channels: int = 8) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, channels, *shape, generator=generator, requires_grad=True)
        for shape in SHAPES
    ]


def test_cell_anchors_by_hand() -> None:
    anchors = cell_anchors(32, AnchorConfig(ratios=(1.0, 4.0)), torch.device("cpu"))
    assert anchors.tolist() == [[-16, -16, 16, 16], [-8, -32, 8, 32]]


def test_anchors_equal_torchvisions() -> None:
    """Rounded, and at distances measured from the padded size, as torchvision places them."""
    config = AnchorConfig(rounded=True, strides="measured")
    shapes = ((13, 17), (7, 9), (4, 5), (2, 3), (1, 2))
    ours = AnchorGenerator((4, 8, 16, 32, 64), config)((52, 68), shapes, torch.device("cpu"))
    theirs = TorchvisionAnchors(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
    images = ImageList(torch.zeros(1, 3, 52, 68), [(52, 68)])
    expected = theirs(images, [torch.zeros(1, 8, *shape) for shape in shapes])[0]
    assert torch.equal(torch.cat(ours), expected)


def test_head_at_anchors_equals_dense_head_forward_and_backward() -> None:
    head = RpnHead(8, 3)
    levels = make_levels()
    count = sum(3 * height * width for height, width in SHAPES)
    indices = torch.randperm(count, generator=torch.Generator().manual_seed(1))[:80].view(2, 40)
    dense_logits, dense_offsets = (torch.cat(parts, dim=1) for parts in head(levels))
    expected = (
        dense_logits.gather(1, indices),
        dense_offsets.gather(1, indices[..., None].expand(-1, -1, 4)),
    )
    given = head.at(levels, indices)
    for ours, theirs in zip(given, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    inputs = [*levels, *head.parameters()]
    wanted = torch.autograd.grad(expected[0].square().sum() + expected[1].square().sum(), inputs)
    obtained = torch.autograd.grad(given[0].square().sum() + given[1].square().sum(), inputs)
    for ours, theirs in zip(obtained, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


def test_rows_keep_a_border_of_zeros() -> None:
    rows = bordered_rows([torch.ones(1, 1, 2, 3)])
    assert rows.view(4, 5).tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]


@pytest.mark.parametrize("passes", [None, 16])
def test_proposals_are_the_best_boxes_left_in_each_level(passes: int | None) -> None:
    """Two levels; in the first the second anchor overlaps the better first one, in the second one
    box has no extent.
    """
    anchors = (
        torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [30.0, 30.0, 45.0, 45.0]]),
        torch.tensor([[0.0, 0.0, 10.0, 10.0], [60.0, 60.0, 70.0, 70.0]]),
    )
    logits = [torch.tensor([[2.0, 1.0, 3.0]]), torch.tensor([[2.5, 9.0]])]
    offsets = [torch.zeros(1, 3, 4), torch.zeros(1, 2, 4)]
    found = propose(
        logits,
        offsets,
        anchors,
        torch.tensor([[40, 50]]),
        RpnConfig(train_post_nms=4),
        training=True,
        passes=passes,
    )
    assert found.valid.tolist() == [[True, True, True, False]]
    assert found.boxes[0, :3].tolist() == [[30, 30, 45, 40], [0, 0, 10, 10], [0, 0, 10, 10]]
