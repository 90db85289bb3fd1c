"""Find the labels of whole images, at their original sizes. B images, K classes, V views.

Views are images (B, C, H, W) uint8, padded, with their valid sizes (B, 2); sizes are (height,
width) in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tasks.vision.padding import Size
from tasks.vision.semantic.segmenter import SegmentationNetwork
from tasks.vision.semantic.tiling import sliding_labels
from tasks.vision.settings_semantic import TestConfig

View = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class _Pass:
    """Compute the logits of a view."""

    logits: Tensor  # (B, K, h, w)
    padded_size: Size
    sizes: list[Size]  # (B,)
    flipped: bool

    def at_original(self, network: SegmentationNetwork, row: int, original: Size) -> Tensor:
        """Enlarge the logits of an image, cut off the padding, and resize them to (K, *original).

        These are detectron2's steps (`sem_seg_postprocess`).
        """
        height, width = self.sizes[row]
        whole = network.enlarge(self.logits[row : row + 1], self.padded_size)
        valid = whole[..., :height, :width]
        if self.flipped:
            valid = valid.flip(-1)
        if (height, width) != original:
            valid = F.interpolate(valid, size=original, mode="bilinear", align_corners=False)
        return valid[0]


def find_labels(
    network: SegmentationNetwork, views: Sequence[View], originals: Sequence[Size], test: TestConfig
) -> tuple[list[NDArray[np.uint8]], Tensor | None]:
    """Find the labels (height, width) of each image, on the host, and the logits of the first view;
    None if a window slid over it.

    Of several views, and their mirror images, the probabilities are averaged.
    """
    if test.window is not None and max(map(max, _as_list(views[0][1]))) > test.window:
        return list(_one_by_one(network, views[0], originals, test)), None
    passes = [_look(network, view, flipped=False) for view in views]
    if test.flip:
        passes += [_look(network, view, flipped=True) for view in views]
    found: list[NDArray[np.uint8]] = []
    for row, original in enumerate(originals):
        found.append(_on_host(_combined(network, passes, row, original)))
    return found, passes[0].logits


def _look(network: SegmentationNetwork, view: View, *, flipped: bool) -> _Pass:
    images, sizes = view
    seen = mirrored(images, sizes) if flipped else images
    padded_size = (images.shape[-2], images.shape[-1])
    return _Pass(network(seen, sizes), padded_size, _as_list(sizes), flipped)


def _combined(
    network: SegmentationNetwork, passes: Sequence[_Pass], row: int, original: Size
) -> Tensor:
    """Compute the logits or summed probabilities (K, *original) of an image."""
    if len(passes) == 1:
        return passes[0].at_original(network, row, original)
    total: Tensor | None = None
    for one in passes:
        probabilities = one.at_original(network, row, original).softmax(dim=0)
        total = probabilities if total is None else total.add_(probabilities)
    assert total is not None
    return total


def _one_by_one(
    network: SegmentationNetwork, view: View, originals: Sequence[Size], test: TestConfig
) -> Iterator[NDArray[np.uint8]]:
    """Find the labels of each image: from windows, or at once if it is no larger than a window."""
    assert test.window is not None
    images, sizes = view
    for row, (height, width) in enumerate(_as_list(sizes)):
        if max(height, width) > test.window:
            image = images[row, :, :height, :width]
            yield _in_windows(network, image, originals[row], test.window, test.overlap)
        else:
            own = (images[row : row + 1], sizes[row : row + 1])
            whole = _look(network, own, flipped=False)
            yield _on_host(whole.at_original(network, 0, originals[row]))


def _in_windows(
    network: SegmentationNetwork, image: Tensor, original: Size, window: int, overlap: float
) -> NDArray[np.uint8]:
    """Find the labels of an image (C, h, w) from windows. For another size, nearest labels are
    taken, so that no more than a row of windows is held.
    """

    def predict(windows: Tensor, sizes: Tensor) -> Tensor:
        padded_size = (windows.shape[-2], windows.shape[-1])
        return network.enlarge(network(windows, sizes.to(windows.device)), padded_size)

    labels = sliding_labels(predict, image, window, overlap)
    if labels.shape != original:
        labels = F.interpolate(labels[None, None], size=original, mode="nearest-exact")[0, 0]
    found: NDArray[np.uint8] = labels.cpu().numpy()
    return found


def mirrored(images: Tensor, sizes: Tensor) -> Tensor:
    """Mirror the valid parts of images (B, C, H, W)."""
    columns = torch.arange(images.shape[-1], device=images.device)
    widths = sizes[:, 1:]  # (B, 1)
    source = torch.where(columns < widths, widths - 1 - columns, columns)  # (B, W)
    return images.gather(3, source[:, None, None].expand_as(images))


def _on_host(scores: Tensor) -> NDArray[np.uint8]:
    labels: NDArray[np.uint8] = scores.argmax(dim=0).to(torch.uint8).cpu().numpy()
    return labels


def _as_list(sizes: Tensor) -> list[Size]:
    return [(height, width) for height, width in sizes.tolist()]
