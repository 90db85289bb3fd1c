"""Which detections are right, by COCO's rules, as packed arrays for resampling.

N images; of one class n detections; of one image and class D detections and G objects.  T IoU
thresholds, A ranges of area: all, small, medium and large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.coco.dataset import CocoDataset
from tasks.scoring.results import DetectionResults

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = np.array([(0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)])
"""Least and largest area in square pixels; both are included."""


@dataclass(frozen=True)
class Matches:
    """Matches of one class, in the images that have objects or detections of it."""

    images: NDArray[np.int64]
    """Places of those images in the data set, (m,)."""
    objects: Floats
    """(A, m) objects that count."""
    owners: NDArray[np.int64]
    """(n,) place in `images` of each detection, by falling score."""
    ranks: NDArray[np.int64]
    """(n,) place among the detections of its image, from 0."""
    right: Bools
    """(A, T, n) whether it found an object that counts."""
    counted: Bools
    """(A, T, n) whether it is right or wrong, and not ignored."""


def match_classes(dataset: CocoDataset, results: DetectionResults, limit: int) -> Iterator[Matches]:
    """The matches of each class in turn, with the best `limit` detections of an image."""
    owners = np.repeat(dataset.image_ids, np.diff(dataset.first)) - 1
    found = results.image_ids - 1
    for label in range(dataset.label_map.num_classes):
        objects = np.flatnonzero(dataset.labels == label)
        detections = np.flatnonzero(results.labels == label)
        # of an image together, the best first, equal ones in their order
        order = np.lexsort((-results.scores[detections], found[detections]))
        detections = detections[order]
        images = found[detections]
        ranks = np.arange(len(detections)) - np.searchsorted(images, images)
        kept = ranks < limit
        rows = (objects, detections[kept], ranks[kept])
        yield _match_class(dataset, results, owners[objects], images[kept], *rows)


def _match_class(
    dataset: CocoDataset,
    results: DetectionResults,
    owners: NDArray[np.int64],
    found: NDArray[np.int64],
    objects: NDArray[np.intp],
    detections: NDArray[np.intp],
    ranks: NDArray[np.int64],
) -> Matches:
    """The matches of objects and detections, which lie in the images `owners` and `found`; both
    are sorted by image, and `ranks` are of the detections.
    """
    images = np.union1d(owners, found)
    boxes = results.boxes[detections].astype(np.float64)
    ignored = _outside(boxes[:, 2] * boxes[:, 3])[:, None].repeat(len(THRESHOLDS), axis=1)
    right = np.zeros_like(ignored)
    uncounted = _outside(dataset.areas[objects]) | dataset.crowd[objects]  # (A, objects)
    for image in np.unique(owners).tolist():
        own = slice(*np.searchsorted(owners, (image, image + 1)).tolist())
        theirs = slice(*np.searchsorted(found, (image, image + 1)).tolist())
        crowd = dataset.crowd[objects[own]]
        overlaps = box_overlaps(boxes[theirs], dataset.boxes[objects[own]], crowd)
        _match_image(overlaps, uncounted[:, own], crowd, right[..., theirs], ignored[..., theirs])
    places = np.searchsorted(images, owners)
    counts = [np.bincount(places[~flags], minlength=len(images)) for flags in uncounted]
    order = np.argsort(-results.scores[detections], kind="stable")
    return Matches(
        images=images,
        objects=np.array(counts, np.float64),
        owners=np.searchsorted(images, found)[order],
        ranks=ranks[order],
        right=right[..., order],
        counted=~ignored[..., order],
    )


def _match_image(
    overlaps: Floats, uncounted: Bools, crowd: Bools, right: Bools, ignored: Bools
) -> None:
    """Give each of D detections, the best first, the object that it overlaps most.

    An object that counts is preferred, and of equal overlaps the later; a crowd can be given again.
    `overlaps` are (D, G), `uncounted` (A, G); writes to `right` and `ignored` (A, T, D).
    """
    limits = THRESHOLDS[:, None]
    taken = np.zeros((len(AREAS), len(THRESHOLDS), overlaps.shape[1]), np.bool_)
    preferred = 2.0 * ~uncounted[:, None]  # (A, 1, G): more than any overlap
    for place in np.flatnonzero(overlaps.max(axis=1) >= THRESHOLDS[0]).tolist():
        overlap = overlaps[place]
        free = (overlap >= limits) & (~taken | crowd)  # (A, T, G)
        rank = np.where(free, overlap + preferred, -1.0)
        best = rank.shape[2] - 1 - rank[..., ::-1].argmax(axis=2)[..., None]  # (A, T, 1)
        is_matched = np.take_along_axis(free, best, axis=2)
        np.put_along_axis(taken, best, is_matched | np.take_along_axis(taken, best, 2), axis=2)
        counts = ~np.take_along_axis(uncounted, best[..., 0], axis=1)
        matched = is_matched[..., 0]
        right[..., place] = matched & counts
        ignored[..., place] = np.where(matched, ~counts, ignored[..., place])


def _outside(areas: NDArray[np.floating]) -> Bools:
    """Whether areas (n,) lie outside each range, (A, n)."""
    return (areas < AREAS[:, :1]) | (areas > AREAS[:, 1:])


def box_overlaps(detections: Floats, objects: NDArray[np.floating], crowd: Bools) -> Floats:
    """IoU (D, G) of boxes (x, y, width, height); with a crowd, the detection's share inside."""
    objects = objects.astype(np.float64)
    low = np.maximum(detections[:, None, :2], objects[None, :, :2])
    ends = (boxes[:, :2] + boxes[:, 2:] for boxes in (detections, objects))
    found_ends, true_ends = ends
    high = np.minimum(found_ends[:, None], true_ends[None])
    inside = np.maximum(high - low, 0).prod(axis=2)
    areas = (detections[:, 2] * detections[:, 3])[:, None]
    union = np.where(crowd, areas, areas + objects[:, 2] * objects[:, 3] - inside)
    return np.where(union > 0, inside / np.maximum(union, 1e-300), 0.0)
