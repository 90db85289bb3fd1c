"""Check that two detectors agree. n detections of an image; boxes are (x1, y1, x2, y2) in resized
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torchvision.ops import box_iou

from benchmarks.common import OutputsDifferError

FARTHEST = 0.01  # pixels between boxes that are the same in fp32
NEAR = 1e-3  # scores that differ by no more are the same in fp32
CONFIDENT, SAME_PLACE, FOUND_AGAIN = 0.5, 0.9, 0.85


@dataclass(frozen=True)
class Found:
    """Detections of one image, on the CPU."""

    boxes: Tensor  # (n, 4)
    scores: Tensor  # (n,)
    labels: Tensor  # (n,) contiguous


def check_boxes(
    name: str, expected: Sequence[Found], found: Sequence[Found], *, threshold: float, most: int
) -> str:
    """Return a line with the largest distance between the boxes; OutputsDifferError if a box has no
    partner within 0.01 px.

    Detections are ignored if their score is within rounding of the threshold, or of the worst of
    the `most` that are kept: rounding decides which of these appear.
    """
    farthest = 0.0
    count = 0
    for image, (theirs, ours) in enumerate(zip(expected, found, strict=True)):
        for own, partner in ((theirs, ours), (ours, theirs)):
            last = float(own.scores.min()) if len(own.scores) >= most else 0.0
            clear = own.scores > max(threshold, last) + NEAR
            distances = _distances(own, partner)[clear]  # (n, m)
            nearest = (
                distances.amin(dim=1)
                if distances.shape[1]
                else distances.new_full((len(distances),), 1e9)
            )
            if (nearest > FARTHEST).any():
                lonely = int((nearest > FARTHEST).sum())
                raise OutputsDifferError(
                    f"{name}: {lonely} of {int(clear.sum())} boxes of image {image} have no partner"
                    f" of their class and score within {FARTHEST} px; the nearest is"
                    f" {float(nearest.max()):.3g} px away"
                )
            farthest = max([farthest, *nearest.tolist()])
            count += int(clear.sum())
    if not count:
        raise OutputsDifferError(
            f"{name}: nothing was found, so that nothing can be compared; use a trained detector"
        )
    return f"{name}: {count // 2} boxes are at most {farthest:.2g} px apart (allowed: {FARTHEST})"


def _distances(own: Found, partner: Found) -> Tensor:
    """Largest difference of the corners (n, m); 1e9 if class or score differ."""
    apart = (own.boxes[:, None] - partner.boxes).abs().amax(dim=-1)
    same_score = (own.scores[:, None] - partner.scores).abs() <= NEAR
    same = (own.labels[:, None] == partner.labels) & same_score
    return apart.masked_fill(~same, 1e9)


def share_found_again(expected: Sequence[Found], found: Sequence[Found]) -> tuple[float, int]:
    """Share of the confident expected boxes that were found with their class at IoU 0.9, and the
    number of confident boxes.
    """
    hits = 0
    count = 0
    for theirs, ours in zip(expected, found, strict=True):
        confident = theirs.scores > CONFIDENT
        overlaps = box_iou(theirs.boxes[confident], ours.boxes)  # (n, m)
        same = theirs.labels[confident][:, None] == ours.labels
        hits += int(((overlaps > SAME_PLACE) & same).any(dim=1).sum())
        count += int(confident.sum())
    return hits / max(count, 1), count


def check_confident(name: str, expected: Sequence[Found], found: Sequence[Found]) -> str:
    """Return a line with the share of confident boxes found again; OutputsDifferError if it is
    below 85 %.
    """
    share, count = share_found_again(expected, found)
    line = (
        f"{name}: {share:.1%} of {count} boxes of a score above {CONFIDENT} found again at IoU"
        f" {SAME_PLACE}"
    )
    if share < FOUND_AGAIN:
        hint = "" if count else "; train the detector until it is confident of some boxes"
        raise OutputsDifferError(f"{line}; at least {FOUND_AGAIN:.0%} must be{hint}")
    return line
