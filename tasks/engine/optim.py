"""Optimisers and the moving average of the weights."""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from resnet_backbones.errors import UserError
from tasks.engine.settings import OptimConfig

NORMS = (
    nn.modules.batchnorm._NormBase,  # batch, sync batch and instance norm
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def build_optimizer(module: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """SGD, AdamW, LAMB or NAdamW over the trainable parameters; those of normalisation layers, and
    other biases if it is set, have a weight decay of their own.

    The learning rate is set before every step from the schedule, so the one given here is not used.
    """
    groups = _groups(module, config)
    if not groups:
        raise UserError(
            "training needs at least one trainable parameter, got none; unfreeze part of the model"
        )
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
    if config.name != "sgd":
        return _of_timm(groups, config)
    optimizer = torch.optim.SGD(
        groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov, fused=True
    )
    _start_momentum(optimizer, config.momentum)
    return optimizer


def takes_mask(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step can be masked on the device, by `found_inf`: the fused optimisers can."""
    return bool(optimizer.defaults.get("fused"))


def _groups(module: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """The trainable parameters by their weight decay; none of the groups is empty."""
    decayed, norms = split_parameters(module)
    groups: list[dict[str, Any]] = []
    if config.bias_weight_decay is not None:
        named = {id(x) for name, x in module.named_parameters() if name.endswith("bias")}
        biases = [parameter for parameter in decayed if id(parameter) in named]
        decayed = [parameter for parameter in decayed if id(parameter) not in named]
        groups = [{"params": biases, "weight_decay": config.bias_weight_decay}]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": norms, "weight_decay": config.norm_weight_decay},
        *groups,
    ]
    return [group for group in groups if group["params"]]


def _of_timm(groups: list[dict[str, Any]], config: OptimConfig) -> torch.optim.Optimizer:
    """LAMB or NAdamW, whose arithmetic is timm's."""
    import timm.optim

    kind = timm.optim.Lamb if config.name == "lamb" else timm.optim.NAdamW
    optimizer: torch.optim.Optimizer = kind(groups, lr=config.lr, betas=config.betas)
    return optimizer


def _start_momentum(optimizer: torch.optim.SGD, momentum: float) -> None:
    """Start momentum at zero: torch would leave it uninitialised when the very first update is
    masked.
    """
    for group in optimizer.param_groups if momentum else []:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters outside and inside normalisation layers, each once, in the order of the
    modules.
    """
    decayed: dict[nn.Parameter, None] = {}
    norms: dict[nn.Parameter, None] = {}
    for part in module.modules():
        chosen = norms if isinstance(part, NORMS) else decayed
        chosen.update(
            {
                parameter: None
                for parameter in part.parameters(recurse=False)
                if parameter.requires_grad
            }
        )
    return list(decayed), list(norms)


def peak_lr(config: OptimConfig, batch_size: int) -> float:
    """Peak learning rate for a global batch size, linear from the one for `reference_batch` (Goyal
    et al. 2017).
    """
    return config.lr * batch_size / config.reference_batch


class Ema:
    """Exponential moving average of a model's parameters and floating-point buffers, on the model's
    device.

    It moves every so many steps. The decay of move t (from 0) is min(decay, (1 + t) / (10 + t)), so
    that a short run is not an average of its start.
    """

    def __init__(self, model: nn.Module, decay: float, every: int = 1) -> None:
        self.decay = decay
        self.every = every
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the weights that step `step`, from 0, ended with, if that is
        due; does not synchronise.
        """
        if (step + 1) % self.every:
            return
        move = step // self.every
        averages, currents = _tensors(self.model), _tensors(model)
        floating = [i for i, tensor in enumerate(currents) if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(min(self.decay, (1 + move) / (10 + move)))  # type: ignore[no-untyped-call]
        average([averages[i] for i in floating], [currents[i] for i in floating], step)
        for i in set(range(len(currents))) - set(floating):
            averages[i].copy_(currents[i])


def _tensors(model: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in a fixed order; frozen ones stay as they are when averaged with
    themselves.
    """
    return [*_detached(model.parameters()), *_detached(model.buffers())]


def _detached(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]
