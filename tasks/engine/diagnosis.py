"""Time each stage of training for a batch, and find the slowest. A batch is that of an optimiser
step.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.stages import AUGMENT, DECODE

FASTER = {
    DECODE: "keep the images decoded, or no larger than training needs them",
    AUGMENT: "augment less, or train on smaller images",
}
"""How to spend less on a stage of loading."""


@dataclass(frozen=True)
class Timing:
    """Mean time of a batch."""

    seconds: float
    batches: int
    """Number of timed batches."""

    @property
    def ms(self) -> str:
        """Milliseconds a batch, with the unit."""
        return f"{self.seconds * 1000:.1f} ms"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The limiting stage of a training."""

    images: int
    """Images of a batch."""
    device: str
    cores: int
    stages: Mapping[str, float]
    """Seconds a batch of each stage of loading, in one process."""
    alone: Timing
    """All of loading, in one process without workers."""
    workers: int | None
    """data.workers; None if batches are made without a loader."""
    loader: Timing
    """Loading with these workers and nothing else running."""
    copy: Timing
    """To the device."""
    model: Timing
    """Forward, backward and update, repeated on one batch."""
    machine: Mapping[str, str] = field(default_factory=dict)
    """Choices made for this machine, by name, with reasons."""

    @property
    def verdict(self) -> str:
        """The limiting stage and the way out, in a sentence."""
        if self.loader.seconds > self._training_seconds:
            return self._loading_limits()
        if self.copy.seconds > self.model.seconds:
            others = f"the model {self.model.ms} and {self._named_loader()} {self.loader.ms}"
            way_out = "train on fewer or smaller images a step"
            return f"copying limits: it takes {self.copy.ms} a batch, {others}; {way_out}"
        return self._model_limits()

    def text(self) -> str:
        """A table of the stages, and the verdict."""
        title = f"a batch of {self.images} images"
        lines = ["", f"{title:<28}{'ms':>10}{'images/s':>12}{'batches timed':>16}"]
        for name, seconds in self.stages.items():
            lines.append(self._row(f"  {name}", Timing(seconds, self.alone.batches)))
        lines.append(self._row("loading in one process", self.alone))
        if self.workers:
            lines.append(self._row(f"loading with {_workers(self.workers)}", self.loader))
        lines.append(self._row(f"copy to {self.device}", self.copy))
        lines.append(self._row(f"model on {self.device}", self.model))
        if self.workers and self.device == "cpu":
            lines += ["", "each was timed alone; workers and a model on a CPU share its cores"]
        machine = [f"{name:<12}{text}" for name, text in self.machine.items()]
        return "\n".join([*machine, *lines, "", self.verdict])

    @property
    def _training_seconds(self) -> float:
        """Seconds of the device for a batch."""
        return self.copy.seconds + self.model.seconds

    def _loading_limits(self) -> str:
        slowest = max(self.stages, key=lambda name: self.stages[name])
        share = self.stages[slowest] / sum(self.stages.values())
        seen = f"{self._named_loader()} takes {self.loader.ms} a batch, the model {self.model.ms}"
        part = f"{slowest} is {share:.0%} of loading"
        return f"loading limits: {seen}; {part}; {self._faster_loading(slowest)}"

    def _faster_loading(self, slowest: str) -> str:
        """Advise more workers if there are cores for them, otherwise less work in the slowest
        stage.
        """
        less_work = FASTER.get(slowest, "train on fewer or smaller images a step")
        if self.workers is None:
            return less_work
        busy = self.loader.seconds * max(1, self.workers)  # of all workers, for a batch
        needed = math.ceil(busy / self._training_seconds)
        if needed <= self.cores:
            return f"data.workers={needed} would keep up"
        return f"keeping up needs {needed} workers, but there are {self.cores} cores: {less_work}"

    def _model_limits(self) -> str:
        seen = f"it takes {self.model.ms} a batch, and {self._named_loader()} {self.loader.ms}"
        if self.workers == 0:
            return f"the model limits: {seen}, in turn; data.workers=1 would load in parallel"
        way_out = "only a faster device, a smaller network or smaller images help"
        return f"the model limits: {seen}; {way_out}"

    def _named_loader(self) -> str:
        return f"the loader with {_workers(self.workers)}" if self.workers else "loading"

    def _row(self, name: str, timing: Timing) -> str:
        milliseconds = f"{timing.seconds * 1000:.1f}"
        speed = "-" if milliseconds == "0.0" else f"{self.images / timing.seconds:.1f}"
        return f"{name:<28}{milliseconds:>10}{speed:>12}{timing.batches:>16}"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
