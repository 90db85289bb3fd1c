"""Choose the images of a step's batch by a pure function, so that resuming and any number of ranks
need no state.

N images; an epoch is `batches_per_epoch(N, batch_size)` steps and epochs follow each other without
end.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from resnet_backbones.errors import UserError
from tasks.engine.randomness import mix_keys

Indices = npt.NDArray[np.int64]
Factors = npt.NDArray[np.float64]
_BATCH_ORDER = (
    1 << 62
)  # offsets that separate the hashes of batches and repeats from those of images
_REPEAT_ORDER = 1 << 61
_REPEAT_START = 3 << 61


def batches_per_epoch(images: int, batch_size: int, repeats: Factors | None = None) -> int:
    """Steps in which every image is seen at least once."""
    count = images if repeats is None else math.ceil(repeats.sum() - 1e-6)
    return -(-count // batch_size)


def global_batch(
    step: int,
    groups: npt.NDArray[np.integer],
    batch_size: int,
    seed: int,
    repeats: Factors | None = None,
) -> Indices:
    """Choose the images (batch_size,) of a step by index, over all ranks and micro-batches.

    `groups` (N,) says what each image may share a batch with (portrait or landscape, say). An epoch
    is shuffled and cut into batches of one group each; the rest of the groups makes mixed batches,
    and the last of those is filled from the start of the shuffle. A data set smaller than a batch
    repeats itself within it. With `repeats` (N,), each >= 1, an image comes that often in an epoch.
    Fractions are rounded up or down at random, so that the mean is proportional.
    """
    if len(groups) == 0:
        raise UserError(
            "a batch must be drawn from at least one image, got none; check the data set's"
            " annotations"
        )
    epoch, position = divmod(step, batches_per_epoch(len(groups), batch_size, repeats))
    packed = None if repeats is None else repeats.astype(np.float64).tobytes()
    plan = _epoch_plan(
        np.asarray(groups, dtype=np.int32).tobytes(), packed, batch_size, seed, epoch
    )
    batch: Indices = plan[position].copy()
    return batch


def repeated_batch(
    step: int, groups: npt.NDArray[np.integer], batch_size: int, seed: int, repeats: int
) -> tuple[Indices, Indices]:
    """Choose as `global_batch`, but with `repeats` copies of each image; also returns the
    number of each copy (batch_size,), from 0.

    The copies of an image lie far apart, so that ranks get different ones. Where the batch does not
    divide, some images come once less.
    """
    distinct = global_batch(step, groups, -(-batch_size // repeats), seed)
    times = np.repeat(np.arange(repeats), len(distinct))
    return np.tile(distinct, repeats)[:batch_size], times[:batch_size]


@lru_cache(maxsize=4)
def _epoch_plan(
    packed_groups: bytes, packed_repeats: bytes | None, batch_size: int, seed: int, epoch: int
) -> Indices:
    """Make the batches (batches, batch_size) of an epoch; arrays are passed as bytes because a
    cache needs hashable arguments.
    """
    groups = np.frombuffer(packed_groups, dtype=np.int32)
    order = np.argsort(
        mix_keys(seed, epoch, np.arange(len(groups))), kind="stable"
    )  # (N,) the shuffle
    if packed_repeats is not None:
        order = _repeated(
            order, np.frombuffer(packed_repeats, dtype=np.float64), batch_size, seed, epoch
        )
    elif len(order) < batch_size:
        return np.resize(order, (1, batch_size))
    members = [order[groups[order] == group] for group in np.unique(groups)]
    whole = [len(member) // batch_size * batch_size for member in members]
    pure = np.concatenate([member[:count] for member, count in zip(members, whole, strict=True)])
    mixed = np.concatenate([member[count:] for member, count in zip(members, whole, strict=True)])
    batches = np.concatenate([pure, _filled(mixed, order, batch_size)]).reshape(-1, batch_size)
    keys = mix_keys(seed, epoch, np.arange(len(batches)) + _BATCH_ORDER)
    return batches[np.argsort(keys, kind="stable")]


def _filled(mixed: Indices, order: Indices, batch_size: int) -> Indices:
    """Return the left-over images, filled up to whole batches from the start of the shuffle,
    without repeating.
    """
    missing = -len(mixed) % batch_size
    last = mixed[len(mixed) - (len(mixed) % batch_size) :]
    others = order[~np.isin(order, last)]
    return np.concatenate([mixed, others[:missing]])


def _repeated(order: Indices, repeats: Factors, batch_size: int, seed: int, epoch: int) -> Indices:
    """Repeat the images by their factors, (batches * batch_size,), shuffled.

    Systematic sampling: the shuffled images lie on a line, each as long as its factor. Points at
    equal distances choose among them; the first point is random.
    """
    slots = batches_per_epoch(len(order), batch_size, repeats) * batch_size
    ends = np.cumsum(repeats[order])  # (N,)
    start = float(mix_keys(seed, epoch, np.array([_REPEAT_START]))[0]) / 2.0**63  # [0, 1)
    points = (start + np.arange(slots)) * (ends[-1] / slots)
    chosen = order[np.minimum(np.searchsorted(ends, points, side="right"), len(order) - 1)]
    return np.asarray(
        chosen[np.argsort(mix_keys(seed, epoch, np.arange(slots) + _REPEAT_ORDER), kind="stable")]
    )
