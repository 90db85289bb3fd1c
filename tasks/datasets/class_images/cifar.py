"""CIFAR-10 and CIFAR-100 as their authors publish them: pickled arrays in a folder or a tar.gz.

N images of 32×32 pixels, K classes.
"""

import io
import pickle
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.safe_pickle import ArraysOnly
from tasks.datasets.class_images.listing import Listing
from tasks.datasets.class_images.store import ArrayStore
from tasks.errors import DataError

SIDE = 32  # pixels
_NO_PICKLE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
)  # errors of pickle on bytes that are not a pickle
_NO_TAR = (tarfile.TarError, EOFError, OSError, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Cifar:
    """The storage of one of the two data sets."""

    folder: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    labels: str
    """The entry of a file that holds the labels."""
    about: str
    """The file that names the classes."""
    names: str
    """Its entry that does."""


CIFAR10 = Cifar(
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    val=("test_batch",),
    labels="labels",
    about="batches.meta",
    names="label_names",
)
CIFAR100 = Cifar(
    folder="cifar-100-python",
    train=("train",),
    val=("test",),
    labels="fine_labels",
    about="meta",
    names="fine_label_names",
)
KINDS = (CIFAR10, CIFAR100)


def find_cifar(path: Path) -> Cifar | None:
    """Tell which of the two a folder or tar holds; None for neither."""
    if path.is_dir():
        for kind in KINDS:
            files = [path / name for name in (kind.about, *kind.val)]
            if path.name == kind.folder or all(file.is_file() for file in files):
                return kind
        return None
    if not is_named_as_tar(path):
        return None
    folder = _first_folder(path)
    return next((kind for kind in KINDS if kind.folder == folder), None)


def is_named_as_tar(path: Path) -> bool:
    """Whether a file's name is that of a tar, compressed or not."""
    name = path.name.lower()
    return ".tar" in name or name.endswith((".tgz", ".tbz2", ".txz"))


def read_cifar(path: Path, kind: Cifar, split: Literal["train", "val"]) -> Listing:
    """Read a split into memory; DataError for files that are missing or not CIFAR's."""
    batches = kind.train if split == "train" else kind.val
    files = _read_files(path, kind, (kind.about, *batches))
    names = _unpickle(path, kind.about, files).get(kind.names)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _other_content(path, kind.about, f"no {kind.names}")
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for file in batches:
        content = _unpickle(path, file, files)
        images.append(_pixels(path, file, content))
        labels += _labels(path, file, content.get(kind.labels), len(images[-1]), len(names))
    planes = np.concatenate(images).reshape(-1, 3, SIDE, SIDE)
    pixels = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # (N, 32, 32, 3)
    store = ArrayStore(path.name, pixels)
    return Listing(store, tuple(names), np.array(labels, dtype=np.int64))


def _first_folder(path: Path) -> str:
    """Return the folder of a tar's first member; empty if it cannot be read."""
    try:
        with tarfile.open(path) as archive:
            first = archive.next()
    except _NO_TAR:
        return ""
    return "" if first is None else first.name.removeprefix("./").partition("/")[0]


def _read_files(path: Path, kind: Cifar, names: Sequence[str]) -> dict[str, bytes]:
    """Read the bytes of these files of a folder or tar."""
    if path.is_dir():
        files = {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    else:
        files = _read_members(path, kind.folder, names)
    missing = [name for name in names if name not in files]
    if missing:
        rule = f"{path} must hold {', '.join(names)}, but has no {missing[0]}"
        raise DataError(rule, "download it again")
    return files


def _read_members(path: Path, folder: str, names: Sequence[str]) -> dict[str, bytes]:
    """Read the bytes of these files of a tar; DataError if it is damaged."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                inside, _, name = member.name.removeprefix("./").partition("/")
                stream = archive.extractfile(member) if member.isreg() else None
                if inside == folder and name in names and stream is not None:
                    files[name] = stream.read()
    except _NO_TAR as error:
        raise DataError(f"cannot read {path}: {error}", "download it again") from error
    return files


def _unpickle(path: Path, file: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the content of a pickle of arrays; DataError for any other."""
    try:
        content = ArraysOnly(io.BytesIO(files[file]), encoding="latin1").load()
    except _NO_PICKLE as error:
        raise _other_content(path, file, str(error)) from error
    if not isinstance(content, dict):
        raise _other_content(path, file, type(content).__name__)
    return content


def _pixels(path: Path, file: str, content: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The rows (N, 3 · 32 · 32) of a batch."""
    rows = content.get("data")
    if not isinstance(rows, np.ndarray):
        raise _other_content(path, file, "no array of data")
    if rows.dtype != np.uint8 or rows.shape[1:] != (3 * SIDE * SIDE,):
        raise _other_content(path, file, f"data of type {rows.dtype} and shape {rows.shape}")
    return rows


def _labels(path: Path, file: str, labels: Any, images: int, classes: int) -> list[int]:
    """The labels (N,) of a batch."""
    valid = isinstance(labels, list) and len(labels) == images
    if not valid or not all(type(label) is int and 0 <= label < classes for label in labels):
        raise _other_content(path, file, f"labels that are not {images} numbers below {classes}")
    return labels  # type: ignore[no-any-return]


def _other_content(path: Path, file: str, seen: str) -> DataError:
    rule = f"{file} in {path} must be CIFAR's pickle of arrays, got {seen}"
    return DataError(rule, "download it again from its authors' page")
