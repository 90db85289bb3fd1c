"""Runs that are told to stop where they would go on for long; prints what became of each, in JSON.

`stuck.py FOLDER SIGNAL STATE …` forks a run for each state, sends it the signal once it is there,
and waits for its end.  All share one start-up.
"""

import atexit
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
import torch._dynamo  # once, before the forks: what an optimiser imports
import torch.utils.tensorboard
import toy_run
from torch import Tensor, nn

from tasks.engine import precision, waiting
from tasks.engine.closing import tell_of_pictures
from tasks.engine.distributed import World
from tasks.engine.evaluation import Evaluator, SetScores, run_batches
from tasks.engine.launch import Launch, launch
from tasks.engine.loading import Loader
from tasks.engine.log import RunLog

LONG = 60.0
STEP = 3
"""In which a run gets stuck that does so in training."""
SETTINGS = ("run.save_every=100", "run.eval_every=0", "run.stop_within=1", "optim.ema_decay=null")


@dataclass(frozen=True)
class Place:
    """Where one run gets stuck."""

    state: str
    folder: Path
    rank: int = 0

    def arrive(self, state: str, seconds: float = LONG) -> None:
        """Say that the run is there, and stay, if that is where it gets stuck."""
        if self.state == state:
            (self.folder / "there").touch()
            time.sleep(seconds)


class Batches(toy_run.ToyBatches):
    """Batches of a worker, which stops itself before the one of a step."""

    def __init__(self, config: toy_run.ToyConfig, world: World, place: Place) -> None:
        super().__init__(config, world)
        self.place = place

    def start(self, step: int) -> Iterator[toy_run.ToyBatch]:
        if self.place.state != "batch":
            return super().start(step)
        parent = super().start(step)
        return Loader(lambda plan: self.late(next(parent), plan), workers=1).batches(range(100))

    def late(self, batch: toy_run.ToyBatch, number: int) -> toy_run.ToyBatch:
        if number == STEP - 1:
            time.sleep(0.5)  # in which the earlier ones are handed on
            (self.place.folder / "there").touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        return batch


class Objective(toy_run.ToyObjective):
    """A loss that takes long in a step, or stops the second rank."""

    def __init__(self, model: nn.Module, place: Place) -> None:
        super().__init__(model, 0)
        self.place = place

    def forward(self, batch: toy_run.ToyBatch) -> dict[str, Tensor]:
        losses = super().forward(batch)
        if self.training and self.calls == STEP:
            self.place.arrive("step", 1.0)
            if self.place.state == "collective" and self.place.rank == 1:
                (self.place.folder / "there").touch()
                os.kill(os.getpid(), signal.SIGSTOP)
        return losses


def route(place: Place) -> Callable[[toy_run.ToyConfig, Launch[toy_run.ToyConfig]], dict]:
    """A task whose run gets stuck."""

    def run(config: toy_run.ToyConfig, launch: Launch[toy_run.ToyConfig]) -> dict[str, float]:
        place.arrive("reading")
        batches = Batches(config, launch.world, place)
        model = launch.build(lambda start: (toy_run.ToyModel("group"), "a toy"), None)

        def evaluate(scored: nn.Module, step: int, final: bool) -> SetScores:
            def compute(batch: toy_run.ToyBatch) -> tuple[None, dict[str, Tensor]]:
                place.arrive("evaluation", 0.5)
                return None, {}

            run_batches([batches.batch(torch.arange(2).numpy(), False)] * 3, launch.world, compute)
            return SetScores({"box/AP": 0.0}, {})

        evaluators = {"val": Evaluator(("box/AP",), evaluate)}
        objective = Objective(model, place)
        scores = launch.fit(model, objective, batches, evaluators, {"label_map": {"names": ["a"]}})
        data = SimpleNamespace(path="val", image_root="val")
        tell_of_pictures(launch, "Toy", data, lambda folder: place.arrive("report") or "", "")
        return scores

    return run


def train(place: Place) -> None:
    """Run until the end, which comes by a signal."""
    settings = ["schedule.steps=5", *SETTINGS]
    waiting.LOOK_EVERY = 0.3
    RunLog.draw = lambda log: None  # which takes longer than all else
    if place.state == "precision":
        settings.append("run.precision=auto")
        precision.prefers_bf16 = lambda device: place.arrive("precision") or False
    if place.state == "saving":
        torch.save = lambda *given: place.arrive("saving")
    launch(toy_run.toy_config(place.folder / "run", *settings), route(place))


def begin(place: Place, environment: dict[str, str]) -> int:
    """Fork a run, whose lines go to a file; its process."""
    place.folder.mkdir(exist_ok=True)
    process = os.fork()
    if process:
        return process
    os.setsid()
    printed = os.open(place.folder / f"printed{place.rank}", os.O_CREAT | os.O_WRONLY)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    os.environ.update(environment)
    try:
        train(place)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except KeyboardInterrupt:
        status = 130
    atexit._run_exitfuncs()  # Python's end, but for freeing modules
    os._exit(status)


def two_ranks(folder: Path) -> list[int]:
    """The second rank stops itself, while the first waits for it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = ("0", "1")
    return [
        begin(Place("collective", folder, int(rank)), shared | {"RANK": rank, "LOCAL_RANK": rank})
        for rank in ranks
    ]


def end(process: int, place: Place, number: int) -> dict[str, object]:
    """Send the signal once the run is there, and say how it ended."""
    while not (place.folder / "there").exists():
        time.sleep(0.05)
    time.sleep(0.3)  # in which rank 0 comes to wait for its peer
    sent = time.monotonic()
    os.kill(process, number)
    _, status = os.waitpid(process, 0)
    seconds = time.monotonic() - sent
    printed = (place.folder / "printed0").read_text(errors="replace")
    return {"seconds": seconds, "status": os.waitstatus_to_exitcode(status), "printed": printed}


def main(folder: Path, number: int, states: list[str]) -> None:
    started: dict[str, list[int]] = {}
    for state in states:
        place = Place(state, folder / state)
        if state == "collective":
            started[state] = two_ranks(place.folder)
        else:
            started[state] = [begin(place, {})]

    def ended(state: str) -> dict[str, object]:
        return end(started[state][0], Place(state, folder / state), number)

    with ThreadPoolExecutor(len(states)) as threads:
        found = dict(zip(states, threads.map(ended, states), strict=True))
    for peer in [process for processes in started.values() for process in processes[1:]]:
        os.kill(peer, signal.SIGKILL)
    print(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
