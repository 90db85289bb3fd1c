"""Optimisers and the moving average of the weights."""

import copy
from collections.abc import Iterable

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
    """Fused SGD or AdamW over the trainable parameters; those of normalisation layers have a weight
    decay of their own.

    The learning rate is set before every step from the schedule, so the one given here is not used.
    """
    decayed, norms = split_parameters(module)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": norms, "weight_decay": config.norm_weight_decay},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise UserError(
            "training needs at least one trainable parameter, got none; unfreeze part of the model"
        )
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    optimizer = torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=True)
    _start_momentum(optimizer, config.momentum)
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

    The decay of step t (from 0) is min(decay, (1 + t) / (10 + t)), so that a short run is not an
    average of its start.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the weights that step `step` ended with; does not
        synchronise.
        """
        averages, currents = _tensors(self.model), _tensors(model)
        floating = [i for i, tensor in enumerate(currents) if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))  # type: ignore[no-untyped-call]
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
