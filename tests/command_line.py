"""The tools as their users start them: settings for a training of seconds, processes, and what they
leave behind.
"""

import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tasks.cli.main import main
from tasks.engine.checkpoint import read_checkpoint
from tasks.metrics_file import Row, read_metrics

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "tools/train_det.py"
SETTINGS = """
data:
  root: {root}
  batch_size: 4
  short_edge: [40, 64]
  long_edge: 96
  workers: 0
model:
  backbone: resnet18
  norm: group
  pyramid_channels: 16
  anchors: {{sizes: [8, 16, 32, 64, 128]}}
  rpn: {{samples: 32, train_pre_nms: 50, train_post_nms: 32, test_pre_nms: 50, test_post_nms: 32}}
  roi: {{hidden: 32, samples: 16, score_threshold: 0.0}}
optim: {{lr: 0.01, reference_batch: 4}}
schedule: {{steps: 3, warmup_steps: 0}}
run: {{device: cpu, precision: fp32, eval_every: 0, log_every: 1}}
"""
LONGEST = 240  # seconds that a process may take
TIMES = ("images_per_s", "data_share")  # what the clock decides in a row of metrics.jsonl


def write_settings(folder: Path, data: Path) -> Path:
    """A settings file for a training of seconds on the data set in `data`."""
    path = folder / "tiny.yaml"
    path.write_text(SETTINGS.format(root=data))
    return path


def command_line(*arguments: object, ranks: int = 1) -> list[str]:
    """How a tool is started, by torchrun where there are several ranks."""
    launcher = [sys.executable]
    if ranks > 1:
        port = str(_free_port())
        launcher += [
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            str(ranks),
            "--master-port",
            port,
        ]
    return [*launcher, *map(str, arguments)]


def blocking(*modules: str) -> str:
    """Python that has the modules fail on import, as where they are not installed."""
    return f"import sys; sys.modules.update(dict.fromkeys({sorted(modules)}))\n"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """A started tool in a process group of its own; it is killed when it takes too long."""

    def __init__(self, command: list[str] | str) -> None:
        self.printed = ""
        self.process = subprocess.Popen(
            (
                f"exec {command}" if isinstance(command, str) else command
            ),  # exec: the shell must not get the signals
            shell=isinstance(command, str),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.watchdog = threading.Timer(LONGEST, self.send, (signal.SIGKILL,))
        self.watchdog.start()

    def until(self, text: str) -> "Running":
        """Wait until `text` is printed."""
        assert self.process.stdout is not None
        while text not in self.printed:
            line = self.process.stdout.readline()
            assert line, f"ended without {text!r}:\n{self.printed}"
            self.printed += line
        return self

    def send(self, number: int) -> "Running":
        """Send a signal to the whole group, as Ctrl-C does."""
        os.killpg(self.process.pid, number)
        return self

    def end(self) -> int:
        """Wait for the end; the exit status."""
        assert self.process.stdout is not None
        self.printed += self.process.stdout.read()
        self.watchdog.cancel()
        return self.process.wait()


def finish(command: list[str] | str) -> str:
    """The output of a command that must succeed."""
    running = Running(command)
    assert running.end() == 0, running.printed
    return running.printed


def train(*arguments: object, ranks: int = 1) -> str:
    """The output of a training that must succeed."""
    return finish(command_line(TRAIN, *arguments, ranks=ranks))


@dataclass(frozen=True)
class FinishedRun:
    """A training that nothing disturbed."""

    arguments: tuple[str, ...]
    """The tool's arguments, but for run.output_dir."""
    folder: Path
    printed: str


@dataclass(frozen=True)
class Answer:
    """What a tool answered: exit status, stdout and stderr."""

    status: int
    output: str
    error: str


@dataclass(frozen=True)
class InProcess:
    """Runs command lines inside the test's own process, which spares their start-up: the same
    arguments, code and answers.
    """

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def answer(self, words: list[str], run: Callable[[], object]) -> Answer:
        """What is answered to the words of a command line."""
        self.monkeypatch.setattr(sys, "argv", words)
        self.capsys.readouterr()
        try:
            status = run() or 0
        except SystemExit as stopped:
            status = stopped.code or 0
        printed = self.capsys.readouterr()
        assert isinstance(status, int), status
        return Answer(status, printed.out, printed.err)


class Tools(InProcess):
    """Scripts of tools/, from the repository's folder."""

    def __call__(self, tool: str, *arguments: object) -> Answer:
        self.monkeypatch.chdir(ROOT)

        def run() -> None:
            runpy.run_path(str(ROOT / tool), run_name="__main__")

        return self.answer([tool, *map(str, arguments)], run)


class Commands(InProcess):
    """`backbones …`, from the folder where the test stands."""

    def __call__(self, *words: object) -> Answer:
        return self.answer(["backbones", *map(str, words)], main)


def state(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by name: weights, moving average and optimiser state."""
    saved = read_checkpoint(path)
    average = {f"ema.{name}": tensor for name, tensor in (saved.ema or {}).items()}
    optimizer = {
        f"optimizer.{place}.{name}": tensor
        for place, values in (saved.optimizer["state"] if saved.is_resumable else {}).items()
        for name, tensor in values.items()
        if isinstance(tensor, Tensor)
    }
    return saved.model | average | optimizer


def largest_difference(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Largest absolute difference of tensors that must have the same names."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def assert_same_run(folder: Path, straight: Path) -> None:
    """The same weights, moving average, optimiser state and rows as another run's, to the last bit,
    each step once.
    """
    for name in ("last.pt", "best.pt"):
        expected, got = state(straight / name), state(folder / name)
        assert expected.keys() == got.keys()
        assert [key for key in expected if not torch.equal(expected[key], got[key])] == [], name
    rows, expected_rows = metrics(folder), metrics(straight)
    assert [row["step"] for row in rows] == list(range(1, len(expected_rows) + 1))
    assert rows == expected_rows


def metrics(folder: Path) -> list[Row]:
    """The rows of metrics.jsonl without what the clock decides."""
    rows = read_metrics(folder / "metrics.jsonl")
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def table(output: str) -> str:
    """The table of scores in what a tool printed."""
    found = re.search(r"COCO box scores,.*?\n\n", output, re.DOTALL)
    assert found is not None, output
    return found.group()
