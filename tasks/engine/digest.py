"""Digests of nested values with tensors, to notice damaged files."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def digest_of(value: object) -> str:
    """Compute the SHA-256 of nested dicts, lists and tuples of tensors, numbers, texts and None, as
    hex.

    Names, order, types, shapes, strides and every bit of the tensors count.
    """
    digest = hashlib.sha256()
    _update(digest, value)
    return digest.hexdigest()


def _update(digest: Any, value: object) -> None:
    if isinstance(value, Tensor):
        _update_tensor(digest, value.detach())
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}".encode())
        for key, item in value.items():
            digest.update(f"{type(key).__name__} {key!r}".encode())
            _update(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(f"{type(value).__name__} {len(value)}".encode())
        for item in value:
            _update(digest, item)
    else:
        digest.update(f"{type(value).__name__} {value!r}".encode())


def _update_tensor(digest: Any, tensor: Tensor) -> None:
    """Return a tensor's bytes, in memory order if it is without gaps."""
    if tensor.layout is not torch.strided:  # never saved by training
        digest.update(f"{tensor.layout}".encode())
        tensor = tensor.to_dense()
    digest.update(f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()}".encode())
    if not tensor.is_contiguous():
        is_image = tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
        tensor = tensor.permute(0, 2, 3, 1) if is_image else tensor.contiguous()
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
