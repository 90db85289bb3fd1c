"""Several runs of one task side by side: a table, and a page with their curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.report.compare import ReadSettings, as_written
from tasks.report.several.read import OneRun, is_run, read_run
from tasks.report.several.table import (
    BEST,
    best_first,
    differing_settings,
    make_columns,
    run_names,
    settings_lines,
    table_lines,
)


@dataclass(frozen=True)
class Several:
    """Result of `compare_several`, to be printed."""

    task: str
    runs: tuple[OneRun, ...]
    """The best one first."""
    scores: tuple[str, ...]
    """Names of the main ones."""
    left_out: tuple[Path, ...]
    """What is none of a run."""

    @property
    def names(self) -> list[str]:
        """Names of the runs."""
        return run_names([run.folder for run in self.runs])

    @property
    def notes(self) -> list[str]:
        """Notes for readers of the scores."""
        on: dict[str, list[str]] = {}
        for name, run in zip(self.names, self.runs, strict=True):
            if run.scored_on:
                on.setdefault(run.scored_on, []).append(name)
        if len(on) < 2:
            return [f"scored on {data}" for data in on]
        sets = [f"{', '.join(names)} on {data}" for data, names in on.items()]
        return [f"scored on different data, so that none is marked as best: {'; '.join(sets)}"]

    def __str__(self) -> str:
        lines = []
        if self.left_out:
            lines.append(f"left out, as no run is there: {', '.join(map(str, self.left_out))}")
        columns = make_columns(self.runs, self.scores)
        marks = f"; {BEST} is the best" if any(column.has_best for column in columns) else ""
        lines += [
            *table_lines(self.names, columns),
            "",
            f"Scores in percent, of the last evaluation{marks}.",
            *self.notes,
            "",
            *settings_lines(self.names, differing_settings(self.runs)),
        ]
        return "\n".join(lines)


def choose_runs(paths: Sequence[Path]) -> tuple[list[Path], tuple[Path, ...]]:
    """Split the paths into folders of runs or evaluations, and others."""
    runs = [path for path in paths if is_run(path)]
    if not runs:
        rule = "a comparison needs the folders of runs, which hold config.yaml or evaluation.json"
        raise UserError(f"{rule}, and found none in {', '.join(map(str, paths))}")
    return runs, tuple(path for path in paths if path not in runs)


def compare_several(
    task: str,
    folders: Sequence[Path],
    scores: Sequence[str],
    *,
    left_out: Sequence[Path] = (),
    read_settings: ReadSettings = as_written,
) -> Several:
    """Read runs of one task, whose main scores have the names `scores`, the first counting most.

    `read_settings` brings settings to the present form.
    """
    runs = [read_run(folder, read_settings) for folder in folders]
    return Several(task, tuple(best_first(runs, scores[0])), tuple(scores), tuple(left_out))
