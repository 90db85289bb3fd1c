import pytest
import torch
from detection.references import predict_everywhere
from torchvision.models.detection.anchor_utils import AnchorGenerator as TorchvisionAnchors
from torchvision.models.detection.image_list import ImageList

from resnet_backbones.errors import UserError
from resnet_backbones.features import FeatureLevel
from tasks.detection.config import AnchorConfig, RpnConfig
from tasks.detection.model.anchors import AnchorGenerator, cell_anchors
from tasks.detection.model.proposals import select_proposals
from tasks.detection.model.region_proposer import RegionProposer
from tasks.detection.ops.kernels.cells import list_bordered_cells
from tasks.detection.ops.kernels.rpn_sparse import predict_at

LEVELS = tuple(FeatureLevel(f"p{k}", 8, 2**k) for k in range(2, 7))
SHAPES = {"p2": (16, 24), "p3": (8, 12), "p4": (4, 6), "p5": (2, 3), "p6": (1, 2)}


def make_features(channels: int = 8) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(2, channels, *shape, generator=generator, requires_grad=True)
        for name, shape in SHAPES.items()
    }


def make_proposer() -> RegionProposer:
    return RegionProposer(LEVELS, RpnConfig(), AnchorConfig(sizes=(8, 16, 32, 64, 128)))


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
    rpn, features = make_proposer(), make_features()
    count = sum(3 * height * width for height, width in SHAPES.values())
    indices = torch.randperm(count, generator=torch.Generator().manual_seed(1))[:80].view(2, 40)
    expected = predict_everywhere(rpn, features, indices)
    layers = (rpn.conv, rpn.objectness, rpn.offsets)
    sparse = predict_at(*layers, list(features.values()), indices)
    for ours, theirs in zip(sparse, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    inputs = [*features.values(), *rpn.parameters()]
    wanted = torch.autograd.grad(expected[0].square().sum() + expected[1].square().sum(), inputs)
    gradients = torch.autograd.grad(sparse[0].square().sum() + sparse[1].square().sum(), inputs)
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)


def test_a_proposer_looks_at_its_own_levels_by_name() -> None:
    rpn, features = make_proposer(), make_features()
    others = {"p7": torch.randn(2, 8, 1, 1), **dict(reversed(features.items()))}
    sizes = torch.tensor([[64, 96], [50, 90]])
    with torch.no_grad():
        own = rpn.detect(features, sizes, (64, 96))
        among_others = rpn.detect(others, sizes, (64, 96))
    assert own.valid.any()
    assert torch.equal(own.boxes, among_others.boxes)


def test_an_anchor_size_for_each_level_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"model\.anchors\.sizes must name 3 sizes"):
        RegionProposer(LEVELS[:3], RpnConfig(), AnchorConfig())


def test_cells_keep_a_border_of_zeros() -> None:
    cells = list_bordered_cells([torch.ones(1, 1, 2, 3)])
    assert cells.view(4, 5).tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]


@pytest.mark.usefixtures("either_route")
def test_proposals_are_the_best_boxes_left_in_each_level() -> None:
    """Two levels; in the first the second anchor overlaps the better first one, in the second one
    box has no extent.
    """
    anchors = (
        torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [30.0, 30.0, 45.0, 45.0]]),
        torch.tensor([[0.0, 0.0, 10.0, 10.0], [60.0, 60.0, 70.0, 70.0]]),
    )
    logits = [torch.tensor([[2.0, 1.0, 3.0]]), torch.tensor([[2.5, 9.0]])]
    offsets = [torch.zeros(1, 3, 4), torch.zeros(1, 2, 4)]
    found = select_proposals(
        logits,
        offsets,
        anchors,
        torch.tensor([[40, 50]]),
        RpnConfig(train_post_nms=4),
        (1.0, 1.0, 1.0, 1.0),
        training=True,
    )
    assert found.valid.tolist() == [[True, True, True, False]]
    assert found.boxes[0, :3].tolist() == [[30, 30, 45, 40], [0, 0, 10, 10], [0, 0, 10, 10]]
