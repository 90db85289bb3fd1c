"""A fingerprint of a data set, so that a run is not resumed on other data.

All names and annotations are hashed.  Pixels and masks are sampled, with the same images each time:
at most `SAMPLE` of a split, so that it takes a fraction of a second for a data set of any size.
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
"""A file up to this many bytes is hashed whole; of a larger one, half of that at either end."""
DIGITS = 16
"""Length of a digest; it only has to tell a few data sets apart."""
Fingerprint = dict[str, int | str]
_SEED = 15


def sampled(count: int) -> list[int]:
    """Return the sorted indices of the sample among `count` images; all if there are few."""
    if count <= SAMPLE:
        return list(range(count))
    drawn = np.random.default_rng(_SEED).choice(count, SAMPLE, replace=False)
    return sorted(drawn.tolist())


def hash_parts(parts: Iterable[bytes]) -> str:
    """Digest byte strings, including where each begins and ends."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()[:DIGITS]


def hash_sample(count: int, read: Callable[[int], ImageSource]) -> str:
    """Digest the bytes that `read(index)` returns for the sample of `count` images."""
    return hash_parts(_content(read, index) for index in sampled(count))


def _content(read: Callable[[int], ImageSource], index: int) -> bytes:
    """Return the bytes of an image; empty if it cannot be read, which training reports."""
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
    if not path.is_file():  # reading a pipe would block
        return b""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE:
            return file.read()
        start = file.read(WHOLE // 2)
        file.seek(-WHOLE // 2, 2)
        return size.to_bytes(8, "little") + start + file.read()
