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
    """Build SGD, AdamW, LAMB or NAdamW over the trainable parameters. Normalisation layers have a
    weight decay of their own, and so have other biases if it is set.

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
    """Group the trainable parameters by weight decay; no group is empty."""
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
    """Build timm's LAMB or NAdamW."""
    import timm.optim

    kind = timm.optim.Lamb if config.name == "lamb" else timm.optim.NAdamW
    optimizer: torch.optim.Optimizer = kind(groups, lr=config.lr, betas=config.betas)
    return optimizer


def _start_momentum(optimizer: torch.optim.SGD, momentum: float) -> None:
    """Start momentum at zero: torch would leave it uninitialised if the first update is masked."""
    for group in optimizer.param_groups if momentum else []:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """List the trainable parameters outside and inside normalisation layers, each once, in module
    order.
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
    """Scale the peak learning rate linearly from `reference_batch` to a global batch size (Goyal et
    al. 2017).
    """
    return config.lr * batch_size / config.reference_batch


class Ema:
    """Exponential moving average of a model's parameters and floating-point buffers, on the model's
    device.

    It moves every `ema_every` steps. The decay of move t (from 0) is min(decay, (1 + t) / (10 +
    t)), so that a short run is not an average of its start.
    """

    def __init__(self, model: nn.Module, decay: float, every: int = 1) -> None:
        self.decay = decay
        self.every = every
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the weights after step `step`, counted from 0, if due; does not
        synchronise.
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
    """List parameters and buffers in a fixed order; averaging frozen ones with themselves keeps
    them.
    """
    return [*_detached(model.parameters()), *_detached(model.buffers())]


def _detached(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor.detach() for tensor in tensors]
