"""Find the images of a split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.shard_names import find_shards, is_pattern, refuse_remote

NAMES = {"train": ("train",), "val": ("val", "valid", "validation", "test")}
ARCHIVES = (".zip", ".tar", ".csv")
CIFAR_FOLDERS = ("cifar-10-batches-py", "cifar-100-python")
CIFAR_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-100-python.tar.gz")
KAGGLE = "ILSVRC/Data/CLS-LOC"


def locate_class_images(
    root: str | Path | None, split: Literal["train", "val"], given: str | Path | None = None
) -> Path:
    """Find the images of a split: the path that is given, or a usual name under `root`.

    If there are several, the first of these is taken: a folder, an archive, a CSV or shards with
    the split's name (for val also valid, validation, test), CIFAR's own files, Kaggle's tree of
    ImageNet. Raises UserError that lists everything tried.
    """
    if given is not None:
        return _checked(given, split)
    if not root:
        raise UserError(f"no images for the {split} split; set data.root, or data.{split}")
    refuse_remote(str(root))
    tried: list[str] = []
    for path in _candidates(Path(root), split):
        tried.append(str(path))
        if _is_there(path):
            return path
    listed = ", ".join(tried)
    raise UserError(
        f"no images for the {split} split, tried {listed}; set data.root, or data.{split}"
    )


def _checked(given: str | Path, split: str) -> Path:
    """Return the path that is given; UserError if it does not exist."""
    refuse_remote(str(given))
    path = Path(given)
    if is_pattern(path):
        find_shards(path)
    elif not path.exists():
        raise UserError(f"no images for the {split} split at {path}; correct data.{split}")
    return path


def _candidates(root: Path, split: Literal["train", "val"]) -> Iterator[Path]:
    """List the candidates for the split under the root, the likelier first."""
    for name in NAMES[split]:
        yield root / name
        for ending in ARCHIVES:
            yield root / f"{name}{ending}"
        yield root / f"{name}-*.tar"
    if root.name in (*CIFAR_FOLDERS, *CIFAR_ARCHIVES):
        yield root
    for name in (*CIFAR_FOLDERS, *CIFAR_ARCHIVES):
        yield root / name
    yield root / KAGGLE / split


def _is_there(path: Path) -> bool:
    """Whether a candidate exists; one without an ending must be a folder."""
    if "*" in path.name:
        return any(path.parent.glob(path.name))
    return path.is_file() if path.suffix else path.is_dir()
