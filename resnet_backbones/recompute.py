"""Recompute a block's activations in the backward pass instead of keeping them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """Compute `block(x)`, and compute its activations again in the backward pass instead of keeping
    them.
    """
    counting = [m for m in block.modules() if isinstance(m, _BatchNorm) and m.training]
    draws = any(
        isinstance(m, _DropoutNd) and m.training for m in block.modules()
    )  # the same masks a second time
    if not counting or torch.compiler.is_compiling():  # a compiled graph updates them once
        return checkpoint(block, x, use_reentrant=False, preserve_rng_state=draws)  # type: ignore[no-any-return]
    contexts = partial(_count_once, counting)
    return checkpoint(block, x, use_reentrant=False, preserve_rng_state=draws, context_fn=contexts)  # type: ignore[no-any-return]


def _count_once(
    norms: list[_BatchNorm],
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of the first pass and of the recomputation, which must not update running statistics
    again.
    """
    return nullcontext(), _on_copied_statistics(norms)


@contextmanager
def _on_copied_statistics(norms: list[_BatchNorm]) -> Iterator[None]:
    kept = [dict(norm._buffers) for norm in norms]
    for norm in norms:
        norm._buffers.update(
            {name: buffer.clone() for name, buffer in norm._buffers.items() if buffer is not None}
        )
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            norm._buffers.update(buffers)
