"""The surroundings of scoring a network on a data set: in a training, or by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from resnet_backbones.errors import UserError
from tasks.engine.distributed import World
from tasks.engine.evaluation import scoring_process
from tasks.engine.launch import Launch
from tasks.engine.loading import Share
from tasks.engine.log import RunLog
from tasks.engine.precision import Precision
from tasks.engine.settings import RunConfig
from tasks.outputs import Outputs

T = TypeVar("T", bound=Sized)
Saving = Callable[[str], AbstractContextManager[None]]
"""(table of scores) -> context in which the scores are saved."""


@dataclass(frozen=True)
class Scoring:
    """A process that scores networks, and where the files of an evaluation go."""

    world: World
    precision: Precision
    log: RunLog
    output_dir: Path | None = None
    """Folder for the files; None to keep none."""
    about: Mapping[str, object] = field(default_factory=dict)
    """Further content of evaluation.json."""
    shows: bool = False
    """Whether scores are printed here before they are saved; a training prints its own."""

    @classmethod
    def of(cls, launch: Launch[Any], name: str) -> Scoring:
        """Make that of a training, for a data set by name; `val` writes files to run.output_dir."""
        return cls(
            launch.world,
            launch.precision,
            launch.log,
            output_dir=launch.output_dir if name == "val" else None,
            about={"weights": "model" if launch.config.optim.ema_decay is None else "ema"},
        )

    @property
    def share(self) -> Share:
        """This process's share of a data set."""
        return Share.of(self.world)

    @property
    def batch_size(self) -> int:
        """Images in a batch; more than one only helps on a GPU."""
        return 4 if self.world.device.type == "cuda" else 1

    def track(
        self, batches: Iterable[T], data: object, total: int, unit: str = "image"
    ) -> Iterator[T]:
        """Yield this rank's batches of a data set, `total` units in all, and show the progress."""
        ours = "" if self.world.size == 1 else f", the share of one of {self.world.size} ranks"
        return self.log.track(batches, f"scoring {data}{ours}", total, unit)

    @contextmanager
    def saving(self, table: str) -> Iterator[None]:
        """Context in which an evaluation is saved; shows its scores before, or if saving fails."""
        if self.shows:
            self.log.note(f"\n{table}\n")
        try:
            yield
        except UserError:
            if not self.shows:
                self.log.note(f"\n{table}\n")
            raise

    def draw(self, name: str, draw: Callable[[Path], object]) -> None:
        """Draw a picture into the folder on the first rank, if files are kept."""
        if self.world.is_main and self.output_dir is not None:
            picture = self.output_dir / name
            self.log.attempt(name, lambda: draw(picture), picture)


@contextmanager
def scoring_in(
    run: RunConfig,
    folder: Path,
    about: Mapping[str, object],
    outputs: Outputs,
    results: str,
) -> Iterator[Scoring]:
    """Context of a process, with or without torchrun, that scores a saved network, with files in a
    folder.

    evaluation.json gets `about`, the device and the arithmetic. UserError on every rank if one of
    the files, `results` included, exists and `outputs` does not own it.
    """
    files = [folder / name for name in ("evaluation.json", results, "report.html")]
    with scoring_process(run) as (world, precision):
        arithmetic = {"device": str(world.device), "precision": precision.name}
        log = RunLog(folder, world)
        with world.sharing_errors():
            if world.is_main:
                outputs.claim(*files)
        for note in outputs.notes(files[0]):
            log.note(note)
        with outputs.owning(*files) if world.is_main else nullcontext():
            yield Scoring(world, precision, log, folder, {**about, **arithmetic}, shows=True)
