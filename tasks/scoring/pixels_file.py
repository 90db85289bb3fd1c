"""pixels.npz: all that an evaluation of labels of every pixel leaves besides its scores.

N images, K classes. It holds `confusion` (K, K), `counts` (N, 3, K), `image_ids` (N,), the labels
of the worst images as `truth_<place>` and `predicted_<place>`, and `about`, a JSON text: the
classes, the names of the N files, and notes about the data.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile
from tasks.labels import LabelMap
from tasks.scoring.semantic_results import LabelledImage, SemanticResults

PIXELS = "pixels.npz"
# What NumPy, zipfile and we ourselves raise on a file that is cut off or changed.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class ScoredPixels:
    """Results with the names that belong to them."""

    results: SemanticResults
    label_map: LabelMap
    names: tuple[str, ...]  # (N,) file names below the folder of images
    notes: tuple[str, ...]  # what to know about the data set

    def name(self, image_id: int) -> str:
        """File name of one of the results' images."""
        return self.names[int(np.searchsorted(self.results.image_ids, image_id))]


def write_results(
    folder: str | Path,
    results: SemanticResults,
    label_map: LabelMap,
    names: Callable[[int], str],
    notes: Sequence[str] = (),
) -> Path:
    """Write a folder's pixels.npz; `names(i)` is the file name of image i of the data set, from 0.

    It is written beside and renamed, so that it is whole wherever it is. Returns its path.
    """
    path = Path(folder) / PIXELS
    files = [names(image - 1) for image in results.image_ids.tolist()]
    about = {"label_map": label_map.to_json(), "files": files, "notes": list(notes)}
    arrays: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
        "image_ids": results.image_ids,
        "counts": results.counts,
        "confusion": results.confusion,
        "worst_ids": np.array([image.image_id for image in results.worst], np.int64),
        "worst_scores": np.array([image.score for image in results.worst], np.float64),
    }
    for place, image in enumerate(results.worst):
        arrays[f"truth_{place}"] = image.truth
        arrays[f"predicted_{place}"] = image.predicted
    with AtomicFile(path) as file:
        np.savez_compressed(file, **arrays)
    return path


def read_results(folder: str | Path) -> ScoredPixels:
    """Read a folder's pixels.npz; UserError where it is missing or not as `write_results` wrote
    it.
    """
    path = Path(folder) / PIXELS
    if not path.is_file():
        raise UserError(
            f"an evaluation of pixels must hold the {PIXELS} that `eval` wrote, but"
            f" {path} is missing; score the model again"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            return _parse(content)
    except _DAMAGE as error:
        rule = f"{path} must be as `eval` wrote it, but it is damaged"
        raise UserError(f"{rule} ({type(error).__name__}); score the model again") from error


def _parse(content: Mapping[str, NDArray[Any]]) -> ScoredPixels:
    """The content of a file; ValueError where its parts do not fit together."""
    about = json.loads(content["about"].tobytes())
    label_map = LabelMap.from_json(about["label_map"])
    ids = content["image_ids"]
    classes = label_map.num_classes
    results = SemanticResults(ids, content["counts"], content["confusion"], _worst(content))
    shapes = (results.counts.shape, results.confusion.shape, len(about["files"]))
    if shapes != ((len(ids), 3, classes), (classes, classes), len(ids)):
        raise ValueError(f"arrays have the shapes {shapes}")
    return ScoredPixels(results, label_map, tuple(about["files"]), tuple(about["notes"]))


def _worst(content: Mapping[str, NDArray[Any]]) -> tuple[LabelledImage, ...]:
    pairs = zip(content["worst_ids"].tolist(), content["worst_scores"].tolist(), strict=True)
    images: list[LabelledImage] = []
    for place, (image_id, score) in enumerate(pairs):
        labels = (content[f"truth_{place}"], content[f"predicted_{place}"])
        images.append(LabelledImage(image_id, score, *labels))
    return tuple(images)
