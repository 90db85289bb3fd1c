"""What tells one data set from another, so that a run is not resumed on other data.

Names and annotations count whole.  Of pixels and masks a sample counts, the same images each time:
at most `SAMPLE` of a split, so that it takes a fraction of a second however large the set is.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.images import ImageSource

SAMPLE = 64
"""Images of a split whose content is hashed."""
WHOLE = 8 << 20
"""Bytes up to which a file is hashed whole; of a larger one half of that at either end."""
DIGITS = 16
"""Of a digest, which has to tell apart a few data sets only."""
Fingerprint = dict[str, int | str]
_SEED = 15


def sampled(count: int) -> list[int]:
    """The places of the sample among `count` images, in order; all where there are few."""
    if count <= SAMPLE:
        return list(range(count))
    drawn = np.random.default_rng(_SEED).choice(count, SAMPLE, replace=False)
    return sorted(drawn.tolist())


def hash_parts(parts: Iterable[bytes]) -> str:
    """Digest of byte strings, where each begins and ends included."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:DIGITS]


def hash_sample(count: int, read: Callable[[int], ImageSource]) -> str:
    """Digest of what `read(index)` gives for the sample of `count` images, files unread."""
    return hash_parts(_content(read, index) for index in sampled(count))


def _content(read: Callable[[int], ImageSource], index: int) -> bytes:
    """The bytes of an image; none where it cannot be read, as whoever needs it will say."""
    try:
        source = read(index)
        if isinstance(source, bytes):
            return source
        if isinstance(source, str | Path):
            return _file_content(Path(source))
        return np.asarray(source).tobytes()
    except (OSError, UserError):
        return b""


def _file_content(path: Path) -> bytes:
    if not path.is_file():  # a pipe would be waited for
        return b""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE:
            return file.read()
        start = file.read(WHOLE // 2)
        file.seek(-WHOLE // 2, 2)
        return size.to_bytes(8, "little") + start + file.read()
