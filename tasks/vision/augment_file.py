"""Load the user's own transforms: a pipeline written by albumentations.save."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from resnet_backbones.errors import UserError

FILE = "data.augment"  # the setting that names the user's own transforms
_KEPT = ("min_area", "min_visibility", "min_width", "min_height", "max_accept_ratio")
_DRAWS = 8  # runs of the pipeline, since some transforms are chosen at random
_SIDE = 256  # pixels of the test picture


def load_transforms(path: Path) -> Any:
    """Load the file, and try it on a picture.

    Raises UserError if albumentations cannot load it, and for a transform that makes anything but
    uint8 images of three channels, by its name.
    """
    import albumentations

    try:
        loaded = albumentations.load(path, data_format="json" if path.suffix == ".json" else "yaml")
    except MemoryError:
        raise
    except Exception as error:  # albumentations may raise anything for foreign content
        raise UserError(
            f"{FILE} must be a .json or .yaml file written by albumentations.save, cannot"
            f" load {path}: {error}"
        ) from error
    _try(loaded, path)
    return loaded


def kept_boxes(loaded: Any) -> dict[str, float]:
    """Return the limits below which the pipeline leaves boxes out, by bbox_params names."""
    processor = getattr(loaded, "processors", {}).get("bboxes")
    if processor is None:
        return {}
    limits = {name: getattr(processor.params, name, None) for name in _KEPT}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _try(loaded: Any, path: Path) -> None:
    """Raise UserError if the whole pipeline makes images of another kind."""
    certain = _certain(loaded)
    for seed in range(_DRAWS):
        made = _made(certain, seed)
        if made is None or _is_picture(made):
            continue
        wrong = [leaf for leaf in _leaves(loaded) if not _is_picture(_made(_certain(leaf), seed))]
        names = ", ".join(dict.fromkeys(type(leaf).__name__ for leaf in wrong)) or "one of them"
        raise UserError(
            f"{FILE} must hold transforms that make uint8 images of three channels, (height, width,"
            f" 3), but {names} in {path} makes {made.dtype} {made.shape}; leave it out, as training"
            " normalises itself"
        )


def _certain(transform: Any) -> Any:
    """Copy a transform so that it is always applied, with everything that it contains."""
    changed = copy.deepcopy(transform)
    changed.p = 1.0
    for part in _parts(changed):
        part.p = 1.0
    return changed


def _parts(transform: Any) -> Iterator[Any]:
    """Yield everything in a pipeline, at any depth."""
    for part in getattr(transform, "transforms", ()):
        yield part
        yield from _parts(part)


def _leaves(transform: Any) -> list[Any]:
    """Yield the transforms themselves, at any depth."""
    if not hasattr(transform, "transforms"):
        return [transform]
    return [part for part in _parts(transform) if not hasattr(part, "transforms")]


def _made(transform: Any, seed: int) -> Any:
    """Apply a transform to a picture; None if it cannot take this one."""
    import albumentations

    picture = np.random.default_rng(seed).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    try:
        pipeline = albumentations.Compose([copy.deepcopy(transform)], seed=seed)
        return pipeline(image=picture)["image"]
    except MemoryError:
        raise
    except Exception:  # a larger crop, or one that needs boxes: reported when images are read
        return None


def _is_picture(made: Any) -> bool:
    """Whether an image is uint8 with three channels; an unusable picture (None) counts as one."""
    if made is None:
        return True
    shape = tuple(getattr(made, "shape", ()))
    return isinstance(made, np.ndarray) and made.dtype == np.uint8 and shape[2:] == (3,)
