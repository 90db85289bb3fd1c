"""What every view of a backbone has to hold in its consumer."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from resnet_backbones.features import Backbone
from resnet_backbones.registry import create_backbone

Loss = Callable[[nn.Module], Tensor]


def tiny_backbone(
    levels: tuple[str, ...] = ("c2", "c3", "c4", "c5"), output_stride: int = 32
) -> Backbone:
    """A ResNet-18 with random weights, frozen through c2."""
    torch.manual_seed(0)
    return create_backbone(
        "resnet18", levels=levels, freeze_through="c2", output_stride=output_stride
    )


def assert_one_step_trains(model: nn.Module, backbone: Backbone, loss: Loss) -> None:
    """One SGD step moves the backbone's trainable tensors and leaves its frozen ones and their
    statistics alone.
    """
    model.train()
    before = copy.deepcopy(backbone.state_dict())
    loss(model).backward()
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1).step()
    frozen = ("conv1", "bn1", "layer1")
    still = {name for name, tensor in backbone.state_dict().items() if tensor.equal(before[name])}
    assert still == {name for name in before if name.split(".")[0] in frozen}


def assert_copies_are_independent(
    model: nn.Module, images: Tensor, run: Callable[[nn.Module, Tensor], Tensor]
) -> None:
    """A deep copy gives the same answer, shares no storage, and keeps its own parts together."""
    model.eval()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        answer = run(model, images)
        assert run(twin, images).equal(answer)
        assert not {p.data_ptr() for p in model.parameters()} & {
            p.data_ptr() for p in twin.parameters()
        }
        for parameter in twin.parameters():
            parameter.zero_()
        assert not run(twin, images).equal(answer)
        assert run(model, images).equal(answer)
