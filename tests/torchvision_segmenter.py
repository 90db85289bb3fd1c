"""torchvision's segmentation networks with random weights."""

import torch
from torch import nn
from torchvision.models import get_model


def torchvision_network(name: str, classes: int = 6, *, auxiliary: bool = True) -> nn.Module:
    """Random weights, and statistics under which maps keep their size."""
    torch.manual_seed(0)
    network: nn.Module = get_model(
        name, weights=None, weights_backbone=None, aux_loss=auxiliary, num_classes=classes
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    for name_, module in network.named_modules():
        if name_.endswith("bn3"):
            nn.init.constant_(module.weight, 0.2)
    return network.eval()
