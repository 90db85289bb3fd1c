"""Find the images and annotations of a split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError

_EXPORTED = {"train": "train", "val": "valid"}  # Roboflow's folders, with _annotations.coco.json


def locate_split(
    root: str | Path | None,
    split: Literal["train", "val"],
    images: str | Path | None = None,
    annotations: str | Path | None = None,
) -> tuple[Path, Path]:
    """Find the image folder and the JSON file of a split.

    Given paths are taken; the others are looked for under `root` in COCO's and Roboflow's layouts.
    Raises UserError that lists everything tried.
    """
    folders = _candidates(root, images, image_folders(split))
    files = _candidates(root, annotations, instance_files(split))
    folder = next((path for path in folders if path.is_dir()), None)
    file = next((path for path in files if path.is_file()), None)
    if folder is not None and file is not None:
        return folder, file
    missing: list[str] = []
    tried: list[Path] = []
    if folder is None:
        missing.append("images")
        tried += folders
    if file is None:
        missing.append("annotations")
        tried += files
    listed = ", ".join(map(str, tried)) or "nothing, as no path is set"
    raise UserError(
        f"no {' and '.join(missing)} for the {split} split, tried {listed}; set data.root, or"
        f" data.{split}.images and data.{split}.annotations"
    )


def image_folders(split: Literal["train", "val"]) -> tuple[str, ...]:
    """List where a split's images may be under a root, the likelier first."""
    places = (f"{split}2017", split, f"images/{split}2017", f"images/{split}", _EXPORTED[split])
    return tuple(dict.fromkeys(places))


def instance_files(split: Literal["train", "val"]) -> tuple[str, ...]:
    """List where a split's instance annotations may be under a root, the likelier first."""
    return (
        f"annotations/instances_{split}2017.json",
        f"annotations/instances_{split}.json",
        f"{_EXPORTED[split]}/_annotations.coco.json",
    )


def _candidates(
    root: str | Path | None, path: str | Path | None, names: Sequence[str]
) -> list[Path]:
    """Return the path that is set, or the names under the root."""
    if path is not None:
        return [Path(path)]
    return [Path(root) / name for name in names] if root is not None else []
