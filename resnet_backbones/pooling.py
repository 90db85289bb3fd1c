"""Max pooling that can trade its stride for dilation.  B images, C channels, H x W cells."""

import torch.nn.functional as F
from torch import Tensor, nn


class DenseMaxPool(nn.Module):
    """Max pooling (B, C, H, W) -> (B, C, H, W) of maps without negative values, without the stride.

    Its cells at even positions are those that a stride of 2 without padding keeps. So layers that
    follow at twice the dilation compute the values of the strided network and those in between (the
    à trous algorithm). With `centred`, the window is centred on its cell, as in a stride-1 pooling
    with padding.
    """

    def __init__(self, kernel: int, dilation: int, *, centred: bool = False) -> None:
        super().__init__()
        border = (kernel - 1) * dilation
        self.before = border // 2 if centred else 0
        self.after = border - self.before
        self.kernel = kernel
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        """The largest value in the window; zeros beyond the border change nothing."""
        padded = F.pad(x, (self.before, self.after) * 2)
        return F.max_pool2d(padded, self.kernel, stride=1, dilation=self.dilation)

    def extra_repr(self) -> str:
        """Kernel and dilation, for print()."""
        return f"{self.kernel}, dilation={self.dilation}"


def max_pool(kernel: int, stride: int, dilation: int, *, ceil_mode: bool = False) -> nn.Module:
    """Max pooling without padding; dense if its stride was traded for dilation."""
    if stride == 1:
        return DenseMaxPool(kernel, dilation)
    return nn.MaxPool2d(kernel, stride, ceil_mode=ceil_mode)
