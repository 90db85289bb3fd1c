"""Which images make up the batch of a step: a pure function, so that resuming and any number of ranks need no state.

N images; an epoch is `batches_per_epoch(N, batch_size)` steps and epochs follow each other without end.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tasks.engine.randomness import mix_keys

Indices = npt.NDArray[np.int64]
_BATCH_ORDER = 1 << 62  # offset that keeps the hashes of batches apart from those of images


def batches_per_epoch(images: int, batch_size: int) -> int:
    """Steps in which every image is seen at least once."""
    return -(-images // batch_size)


def global_batch(step: int, groups: npt.NDArray[np.integer], batch_size: int, seed: int) -> Indices:
    """Indices (batch_size,) of the images of a step, over all ranks and micro-batches.

    `groups` (N,) says what each image may share a batch with (portrait or landscape, say). An epoch is shuffled and cut
    into batches of one group each; what is left of the groups makes mixed batches, and the last of those is filled from
    the start of the shuffle. A data set smaller than a batch repeats itself within it.
    """
    if len(groups) == 0:
        raise ValueError("a batch must be drawn from at least one image, got none; check the data set's annotations")
    epoch, position = divmod(step, batches_per_epoch(len(groups), batch_size))
    plan = _epoch_plan(np.asarray(groups, dtype=np.int32).tobytes(), batch_size, seed, epoch)
    batch: Indices = plan[position].copy()
    return batch


@lru_cache(maxsize=4)
def _epoch_plan(packed_groups: bytes, batch_size: int, seed: int, epoch: int) -> Indices:
    """Batches (batches, batch_size) of an epoch; the groups come as bytes because a cache needs hashable arguments."""
    groups = np.frombuffer(packed_groups, dtype=np.int32)
    order = np.argsort(mix_keys(seed, epoch, np.arange(len(groups))), kind="stable")  # (N,) the shuffle
    if len(order) < batch_size:
        return np.resize(order, (1, batch_size))
    members = [order[groups[order] == group] for group in np.unique(groups)]
    whole = [len(member) // batch_size * batch_size for member in members]
    pure = np.concatenate([member[:count] for member, count in zip(members, whole, strict=True)])
    mixed = np.concatenate([member[count:] for member, count in zip(members, whole, strict=True)])
    batches = np.concatenate([pure, _filled(mixed, order, batch_size)]).reshape(-1, batch_size)
    keys = mix_keys(seed, epoch, np.arange(len(batches)) + _BATCH_ORDER)
    return batches[np.argsort(keys, kind="stable")]


def _filled(mixed: Indices, order: Indices, batch_size: int) -> Indices:
    """The left-over images and, from the start of the shuffle, as many more as make whole batches without repeating."""
    missing = -len(mixed) % batch_size
    last = mixed[len(mixed) - (len(mixed) % batch_size) :]
    others = order[~np.isin(order, last)]
    return np.concatenate([mixed, others[:missing]])
