"""Convolution with normalisation, and the normalisation layers.  B images, C channels in, K
channels out.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import Proxy
from torch.nn.modules import module as every_module
from torch.nn.modules.batchnorm import _BatchNorm

from resnet_backbones.spec import NormName

GROUPS = 32  # Wu and He 2018


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and affine values are constants; same tensor names as
    nn.BatchNorm2d.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape and type. After a convolution use `conv_norm`, which costs
        no extra pass.
        """
        scale, shift = scale_and_shift(self)
        return x * scale.to(x.dtype).reshape(1, -1, 1, 1) + shift.to(x.dtype).reshape(1, -1, 1, 1)

    def extra_repr(self) -> str:
        """Channels and epsilon, for print()."""
        return f"{self.weight.shape[0]}, eps={self.eps}"

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(
            f"{prefix}num_batches_tracked", None
        )  # nn.BatchNorm2d's counter, which is not needed here
        super()._load_from_state_dict(state_dict, prefix, *rest)


def make_norm(name: NormName, channels: int, eps: float = 1e-5) -> nn.Module:
    """Make a normalisation layer for (B, channels, H, W)."""
    if name == "batch":
        return nn.BatchNorm2d(channels, eps=eps)
    if name == "frozen":
        return FrozenBatchNorm2d(channels, eps=eps)
    if name == "sync":
        return nn.SyncBatchNorm(channels, eps=eps)
    return nn.GroupNorm(GROUPS, channels, eps=eps)


def conv_norm(conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Compute `norm(conv(x))` (B, K, h, w), as one convolution with scaled weights if `merges`.

    That is one pass less over the activations, and it leaves autocast's bf16 activations bf16: fp32
    statistics touch the weights only. Gradients reach `conv.weight`, and the norm's own parameters
    if it has any.
    """
    if not merges(conv, norm, x):
        return norm(conv(x))  # type: ignore[no-any-return]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(conv.padding, tuple)
    scale, shift = scale_and_shift(norm)
    shift = shift if conv.bias is None else shift + conv.bias * scale
    weight = conv.weight * scale.reshape(-1, 1, 1, 1)  # (K, C, kh, kw)
    return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)


def merges(conv: nn.Module, norm: nn.Module, x: Tensor) -> bool:
    """Whether one convolution of `x` with scaled weights provably equals `norm(conv(x))`.

    Neither module may be watched or changed: no hook, wrapper, parametrisation or fx tracer.
    """
    return (
        is_foldable(conv)
        and is_constant(norm)
        and is_unobserved(conv)
        and is_unobserved(norm)
        and not isinstance(x, Proxy)
    )


def is_foldable(conv: nn.Module) -> bool:
    """Whether a module is a plain convolution with zero padding, so that a scale can be multiplied
    into its weights. Subclasses are not, as those of parametrisations and FSDP may do more.
    """
    plain = type(conv) is nn.Conv2d
    return plain and conv.padding_mode == "zeros" and isinstance(conv.padding, tuple)


def is_constant(norm: nn.Module) -> bool:
    """Whether a norm applies the same scale and shift to any input; subclasses may do more."""
    kind = type(norm)
    if kind in (nn.BatchNorm2d, nn.SyncBatchNorm):
        assert isinstance(norm, _BatchNorm)
        return not norm.training and norm.affine and norm.running_mean is not None
    return kind is FrozenBatchNorm2d


def is_unobserved(module: nn.Module) -> bool:
    """Whether calling the module only runs its class's `forward`."""
    return not (
        module._forward_pre_hooks
        or module._forward_hooks
        or module._backward_pre_hooks
        or module._backward_hooks
        or "forward" in module.__dict__  # replaced, as by accelerate
        or every_module._global_forward_pre_hooks
        or every_module._global_forward_hooks
        or every_module._global_backward_pre_hooks
        or every_module._global_backward_hooks
    )


def scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """Scale and shift of a constant norm, (C,) each."""
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, norm.bias - norm.running_mean * scale


def init_residual(module: nn.Module) -> None:
    """Initialise convolutions as in He et al. 2015 (fan out), like torchvision; norms start as the
    identity.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
