"""Label image files; write overlays and index PNGs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.files import write_text
from tasks.outputs import PREDICT, Outputs
from tasks.segmentation.predict import Segmenter
from tasks.vision.prediction import outputs_of, results_of_files

OVERLAY = "_overlay.jpg"
LABELS = "_labels.png"
NAMED = 3  # number of classes with most pixels


def predict_files(
    segmenter: Segmenter,
    sources: Sequence[str | Path],
    output_dir: str | Path,
    *,
    score: float | None = None,
    report: Callable[[str], None] = print,
    outputs: Outputs = PREDICT,
) -> tuple[str, ...]:
    """Write NAME_overlay.jpg and NAME_labels.png for every image in files and folders, and
    classes.json, which names the labels; returns the errors.

    Pictures keep their places below a source folder. A file that cannot be decoded is left out, and
    its error is returned; a source without images, and `score`, are a UserError, and so is an
    existing file that `outputs` does not own.
    """
    if score is not None:
        raise UserError(f"--score is for detections, got {score} for a segmenter; leave it out")
    folder = Path(output_dir)
    pictures = outputs_of([Path(source) for source in sources], folder, OVERLAY)
    labels = {file: _labels_beside(overlay) for file, overlay in pictures.items()}
    table = folder / "classes.json"
    problems: list[str] = []
    found_in = results_of_files(pictures, segmenter.read, segmenter.stream, problems)
    with outputs.reading(*pictures).owning(*pictures.values(), *labels.values(), table):
        names = json.dumps(list(segmenter.label_map.names), ensure_ascii=False)
        write_text(table, names + "\n")
        for file, found in found_in:
            found.save(pictures[file])
            found.save_labels(labels[file])
            largest = list(found.shares.items())[:NAMED]
            named = ", ".join(f"{name} {share:.0%}" for name, share in largest)
            report(f"{file}: {named} -> {pictures[file]}")
    return tuple(problems)


def _labels_beside(overlay: Path) -> Path:
    return overlay.with_name(overlay.name.removesuffix(OVERLAY) + LABELS)
