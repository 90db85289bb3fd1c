"""Which boxes of one image are right, wrong, missed or ignored, by COCO's rules at one IoU.

D detections and G objects; boxes are (x, y, width, height) in pixels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.outcomes import Outcome
from tasks.scoring.instance_matches import Bools, Floats, box_overlaps

IOU = 0.5
Labels = NDArray[np.int64]


def judge_image(
    objects: tuple[Floats, Labels, Bools], detections: tuple[Floats, Labels, Floats]
) -> tuple[list[Outcome], list[Outcome]]:
    """Say what came of G objects (boxes, labels, crowd) and D detections (boxes, labels, scores).

    The detection of highest score chooses first, the object of its class that it overlaps most.
    """
    boxes, labels, crowd = objects
    found, found_labels, scores = detections
    overlaps = box_overlaps(found, boxes, crowd)
    overlaps = np.where(found_labels[:, None] == labels, overlaps, 0.0)  # (D, G)
    of_objects = [Outcome.IGNORED if is_crowd else Outcome.MISSED for is_crowd in crowd.tolist()]
    of_detections = [Outcome.WRONG] * len(scores)
    for row in np.argsort(-scores, kind="stable").tolist():
        place = _best_free(overlaps[row], of_objects)
        if place is not None:
            of_objects[place] = Outcome.RIGHT
            of_detections[row] = Outcome.RIGHT
        elif (overlaps[row][crowd] >= IOU).any():
            of_detections[row] = Outcome.IGNORED
    return of_objects, of_detections


def _best_free(overlaps: Floats, of_objects: Sequence[Outcome]) -> int | None:
    """The object that is overlapped most of those that nothing found yet; None without one."""
    free = np.array([outcome is Outcome.MISSED for outcome in of_objects], np.bool_)
    candidates = np.where(free, overlaps, -1.0)
    if not len(candidates) or candidates.max() < IOU:
        return None
    return len(candidates) - 1 - int(candidates[::-1].argmax())  # of equal ones the later
