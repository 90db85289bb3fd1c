"""The tasks, with the functions that the commands call for each.  Imports nothing heavy.

To add a task, add a row, and add its predictor to `api.Predictor` for type checkers.  Functions are
given by dotted names and imported when they are used.
"""

import difflib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError
from tasks.engine.run_files import find_checkpoint

BOXES = "detection"
"""The task of files that do not name one."""


@dataclass(frozen=True)
class Lazy:
    """A function or class by its dotted name."""

    name: str

    def load(self) -> Any:
        """The function or class itself."""
        module, _, name = self.name.rpartition(".")
        return getattr(import_module(module), name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Import it and call it."""
        return self.load()(*arguments, **named)


@dataclass(frozen=True, kw_only=True)
class Task:
    """The functions that the commands call for one task."""

    name: str
    """The value of a recipe's `task:`."""
    settings: Lazy
    """A subclass of `tasks.engine.settings.TaskSettings`."""
    check_files: Lazy
    """(settings) -> None; UserError for a missing file. Imports no torch."""
    run: Lazy
    """(settings, tasks.engine.launch.Launch) -> scores: the whole training, also for its
    doctor."""
    evaluate: Lazy
    """(checkpoint, overrides, output folder or None, force=…) -> a report to print, with `scores`;
    None on ranks other than the first."""
    evaluate_settings: Lazy | None = None
    """(settings, output folder or None, force=…) -> the same for the weights in model.weights; None
    if only a whole network can be scored."""
    load: Lazy
    """(checkpoint, device=…, precision=…, …) -> a predictor to be called on images."""
    predict: Lazy
    """(predictor, sources, output folder, score=…, outputs=…) -> the problems, a line for each
    file."""
    score: float | None = None
    """Default of the lowest score to show; None if results have no scores."""
    page_answer: Lazy
    """(an image's result, (height, width) of its preview) -> the data for the web page."""
    results: Lazy | None = None
    """(results file, annotations, output folder or None, image folder or None, limit=…, force=…) ->
    a report to print; None for tasks without results files."""
    main_scores: tuple[str, ...]
    """Names of the scores that rank runs, the most important first."""
    report: Lazy
    """(folder of an evaluation, image folder or None, eval_command=…) -> the page, made again; also
    takes `annotations=` if there are `results`."""
    compare: Lazy
    """(folder of an evaluation, folder of another, read_settings=…, eval_command=…) -> the text to
    print."""
    check: Lazy
    """(arguments, shown=…, fix=…, page=…, force=…) -> (findings, text). Imports no torch."""
    holds_data: Lazy | None = None
    """(folder) -> whether it holds data of this task; None if never asked. Imports no torch."""
    export: Lazy
    """(checkpoint, file) -> write the backbone; the Python that loads it from the file."""


TASKS = {
    task.name: task
    for task in (
        Task(
            name="detection",
            settings=Lazy("tasks.detection.config.DetectionConfig"),
            check_files=Lazy("tasks.detection.check_files.check_files"),
            run=Lazy("tasks.detection.train.run"),
            evaluate=Lazy("tasks.detection.evaluate.evaluate_checkpoint"),
            load=Lazy("tasks.detection.predict.load_detector"),
            predict=Lazy("tasks.detection.predict_files.predict_files"),
            score=0.5,
            page_answer=Lazy("tasks.detection.served.page_answer"),
            results=Lazy("tasks.detection.results.evaluate_results"),
            main_scores=("box/AP", "box/AP50", "box/AP75", "box/APs", "box/APm", "box/APl"),
            report=Lazy("tasks.report.instances.build.remake_report"),
            compare=Lazy("tasks.report.instances.compare.compare_runs"),
            check=Lazy("tasks.detection.check.check_data"),
            export=Lazy("tasks.detection.saved.export_backbone"),
        ),
        Task(
            name="segmentation",
            settings=Lazy("tasks.segmentation.config.SegmentationConfig"),
            check_files=Lazy("tasks.segmentation.check_files.check_files"),
            run=Lazy("tasks.segmentation.train.run"),
            evaluate=Lazy("tasks.segmentation.evaluate_saved.evaluate_checkpoint"),
            evaluate_settings=Lazy("tasks.segmentation.evaluate_saved.evaluate_settings"),
            load=Lazy("tasks.segmentation.predict.load_segmenter"),
            predict=Lazy("tasks.segmentation.predict_files.predict_files"),
            page_answer=Lazy("tasks.segmentation.served.page_answer"),
            main_scores=("seg/mIoU", "seg/pixel_accuracy", "seg/mean_accuracy", "seg/fwIoU"),
            report=Lazy("tasks.report.segmentation.build.remake_report"),
            compare=Lazy("tasks.report.segmentation.compare.compare_runs"),
            check=Lazy("tasks.segmentation.check.check_data"),
            holds_data=Lazy("tasks.datasets.semantic.check.holds_semantic"),
            export=Lazy("tasks.segmentation.saved.export_backbone"),
        ),
        Task(
            name="classification",
            settings=Lazy("tasks.classification.config.ClassificationConfig"),
            check_files=Lazy("tasks.classification.check_files.check_files"),
            run=Lazy("tasks.classification.train.run"),
            evaluate=Lazy("tasks.classification.evaluate_saved.evaluate_checkpoint"),
            evaluate_settings=Lazy("tasks.classification.evaluate_saved.evaluate_settings"),
            load=Lazy("tasks.classification.predict.load_classifier"),
            predict=Lazy("tasks.classification.predict_files.predict_files"),
            score=0.0,
            page_answer=Lazy("tasks.classification.served.page_answer"),
            main_scores=("val/top1", "val/top5", "val/mean_class"),
            report=Lazy("tasks.report.classification.build.report_again"),
            compare=Lazy("tasks.report.classification.compare.compare_runs"),
            check=Lazy("tasks.classification.check.check_data"),
            holds_data=Lazy("tasks.classification.check.is_class_data"),
            export=Lazy("tasks.classification.export.export_classifier"),
        ),
    )
}


def find_task(name: object, source: str) -> Task:
    """Return a task by name; UserError names the source of an unknown name."""
    if isinstance(name, str) and name in TASKS:
        return TASKS[name]
    near = difflib.get_close_matches(str(name), TASKS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UserError(f"task must be one of {known_tasks()}, got {name!r} in {source}{hint}")


def saved_task(path: str | Path) -> Task:
    """The task of a checkpoint file, or of a run's folder."""
    file = find_checkpoint(Path(path))  # answers before torch is imported
    from tasks.engine.checkpoint import read_checkpoint
    from tasks.engine.saved import saved_metadata

    return find_task(saved_metadata(read_checkpoint(file), "task"), f"the checkpoint {file}")


def evaluated_task(folder: str | Path) -> Task:
    """The task of an evaluation, as its evaluation.json says; those of 0.1.0 are all of boxes."""
    from tasks.report.run import evaluation_metadata

    named = evaluation_metadata(folder).get("task", BOXES)
    return find_task(named, f"the evaluation in {folder}")


def known_tasks() -> str:
    """Their names."""
    return ", ".join(TASKS)
