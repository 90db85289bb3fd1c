"""A backbone's own modules under another interface."""

from typing import Self

from torch import nn

from resnet_backbones.features import Backbone


class View(nn.Module):
    """Base of the views: holds the backbone's own modules and tensors under the backbone's own
    names.

    The tables of modules, parameters and buffers *are* the backbone's: nothing is copied, the state
    dict has no prefix, and what replaces a module in one of the two (SyncBatchNorm's conversion)
    replaces it in both.
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.__dict__["backbone"] = (
            backbone  # past nn.Module's bookkeeping, which would prefix every name
        )
        for table in ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set"):
            self.__dict__[table] = getattr(backbone, table)
        self.training = backbone.training

    def train(self, mode: bool = True) -> Self:
        """Set training mode as the backbone does, which keeps frozen parts in evaluation mode."""
        self.backbone.train(mode)
        self.training = mode
        return self
