"""A classifier's results with their data, for reports and comparisons."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.images import Exif, ImageSource
from tasks.labels import LabelMap
from tasks.report.run import EVALUATION, evaluated_scores, finished_evaluation, recorded_path
from tasks.scoring.evaluation import class_scores
from tasks.scoring.predictions_file import read_results
from tasks.scoring.top_k import DETAILS, ClassResults

PREDICTIONS = "predictions.csv"
CLASS_SCORES = f"val/{DETAILS}"
"""Beginning of the names of the classes' scores in evaluation.json."""


@dataclass(frozen=True)
class Evaluated:
    """A classifier's results, with the names and images of their data set."""

    data: str
    """Data that was scored, in words or as a path."""
    label_map: LabelMap
    results: ClassResults
    name: Callable[[int], str]
    """File name of image i of the data set, from 0."""
    read_image: Callable[[int], ImageSource]
    """Source of image i for `tasks.images.decode`."""
    exif: Exif = "apply"


def read_evaluated(
    folder: str | Path,
    images: str | Path | None = None,
    *,
    eval_command: str = "backbones eval",
) -> Evaluated:
    """Read a folder's evaluation.json and predictions.csv.

    `images` replaces the folder of images, `eval_command` is the user's command for an evaluation.
    Raises UserError if a file is missing or damaged; images need not exist.
    """
    folder = Path(folder)
    metadata = finished_evaluation(folder, "data", eval_command)
    label_map = _evaluated_classes(folder)
    results, names = read_results(folder / PREDICTIONS, label_map)
    root = Path(images or recorded_path(folder, metadata.get("image_root", "")))
    return Evaluated(
        data=metadata["data"],
        label_map=label_map,
        results=results,
        name=names.__getitem__,
        read_image=lambda index: root / names[index],
        exif=metadata.get("exif", "apply"),
    )


def _evaluated_classes(folder: Path) -> LabelMap:
    """The classes in the order of their labels, which is that of their scores."""
    names = tuple(class_scores(evaluated_scores(folder), CLASS_SCORES))
    if not names:
        rule = f"an evaluation of classes must hold {CLASS_SCORES}<class> for each of them"
        raise UserError(f"{rule}, but {folder / EVALUATION} has none; score the model again")
    return LabelMap(names, names)
