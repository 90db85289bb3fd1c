"""Labels of every pixel, made up."""

import numpy as np
from ranked import classes

from tasks.images import Labels
from tasks.labels import IGNORED, LabelMap
from tasks.scoring.semantic_results import SemanticResults, SemanticTally

ROAD = classes("road", "tree", "car", "boat")
"""Of which a test may leave some out."""


def labels(*rows: str) -> Labels:
    """Labels from rows of digits; a dot is ignored."""
    values = [[IGNORED if sign == "." else int(sign) for sign in row] for row in rows]
    return np.array(values, np.uint8)


def blocks(seed: int, count: int, size: tuple[int, int] = (24, 32)) -> tuple[Labels, Labels]:
    """Labels in blocks of 8 pixels with an ignored border, and a guess that errs in one of four."""
    random = np.random.default_rng(seed)
    height, width = size
    coarse = random.integers(0, count, (height // 8, width // 8)).astype(np.uint8)
    wrong = random.random(coarse.shape) < 0.25
    guess = np.where(wrong, random.integers(0, count, coarse.shape), coarse).astype(np.uint8)
    truth = coarse.repeat(8, axis=0).repeat(8, axis=1)
    truth[0] = IGNORED
    return truth, guess.repeat(8, axis=0).repeat(8, axis=1)


def scored(images: int, label_map: LabelMap, first_seed: int = 0) -> SemanticResults:
    """The results of images made up so."""
    tally = SemanticTally(label_map.num_classes)
    for image in range(images):
        tally.add(image + 1, *blocks(first_seed + image, label_map.num_classes))
    return tally.results()
