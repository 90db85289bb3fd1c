"""Where the images and annotations of a split are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError


def locate_split(
    root: str | Path | None,
    split: Literal["train", "val"],
    images: str | Path | None = None,
    annotations: str | Path | None = None,
) -> tuple[Path, Path]:
    """Image folder and JSON file of a split: those given, the others under `root` in COCO's layouts
    or Roboflow's.

    Raises UserError that lists everything tried.
    """
    roboflow = (
        "valid" if split == "val" else split
    )  # images and _annotations.coco.json in one folder
    places = (f"{split}2017", split, f"images/{split}2017", f"images/{split}", roboflow)
    folders = _candidates(root, images, tuple(dict.fromkeys(places)))
    names = (f"annotations/instances_{split}2017.json", f"annotations/instances_{split}.json")
    files = _candidates(root, annotations, (*names, f"{roboflow}/_annotations.coco.json"))
    folder = next((path for path in folders if path.is_dir()), None)
    file = next((path for path in files if path.is_file()), None)
    if folder is None or file is None:
        tried = [
            str(path)
            for path in (*(folders if folder is None else ()), *(files if file is None else ()))
        ]
        missing = " and ".join(
            name for name, found in (("images", folder), ("annotations", file)) if found is None
        )
        raise UserError(
            f"no {missing} for the {split} split, tried"
            f" {', '.join(tried) or 'nothing, as no path is set'}; set data.root, or"
            f" data.{split}.images and data.{split}.annotations"
        )
    return folder, file


def _candidates(
    root: str | Path | None, given: str | Path | None, names: Sequence[str]
) -> list[Path]:
    if given is not None:
        return [Path(given)]
    return [Path(root) / name for name in names] if root is not None else []
