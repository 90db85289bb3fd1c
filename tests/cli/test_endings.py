"""A user's mistake is one line, an interrupt none, and a fault of ours a traceback."""

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Commands
from torch.utils.data import DataLoader, Dataset

from resnet_backbones.errors import UserError
from tasks.cli.endings import finish
from tasks.engine.config import UnknownSettingWarning


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


def test_the_status_of_a_command_is_returned() -> None:
    assert finish(lambda: None) == 0
    assert finish(lambda: 1) == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("x must be y,\n   got z"), "error: x must be y, got z\n"),
        (FileNotFoundError(2, "No such file", "a.txt"), "error: a.txt: No such file\n"),
        (
            UserError("step 1 must fit (Cannot allocate memory)"),
            "error: step 1 must fit (Cannot allocate memory)\n",
        ),
        (
            ModuleNotFoundError("no", name="omegaconf.dictconfig"),
            "error: this command needs more packages: pip install 'resnet-backbones[train]'"
            " (no module named 'omegaconf')\n",
        ),
    ],
)
def test_a_users_mistake_is_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finish(raising(error)) == 2
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError(24, "Too many open files", "a.jpg"), ("ulimit -n", "data.workers")),
        (RuntimeError("received 0 items of ancdata"), ("ulimit -n", "data.workers")),
        (MemoryError(), ("data.workers", "data.batch_size")),
        (OSError(12, "Cannot allocate memory"), ("data.workers", "data.batch_size")),
        (
            RuntimeError("[/gloo/transport/tcp/pair.cc:5] Connection closed by peer"),
            ("its own lines say why", "run.resume=auto"),
        ),
    ],
)
def test_what_a_machine_has_too_little_of_is_named_with_the_way_out(
    error: Exception, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """fault_campaign 22."""
    assert finish(raising(error)) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert [text for text in named if text not in printed] == []


@pytest.mark.parametrize(
    "error", [ValueError("ours"), OSError("no file"), ModuleNotFoundError("no", name="tasks.new")]
)
def test_a_fault_of_ours_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        finish(raising(error))


def test_a_killed_loader_process_is_named_with_what_may_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Killed as the system does it where memory runs out."""

    def action() -> int:
        loader = iter(DataLoader(_Deadly(), batch_size=None, num_workers=1))
        next(loader)
        raise AssertionError

    assert finish(action) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: processes that read images must live as long as the run, got")
    assert "data.workers" in error
    assert "/dev/shm" in error


class _Deadly(Dataset[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return index


def test_an_interrupt_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == ""


def test_output_that_nobody_reads_any_more_is_no_error() -> None:
    code = "import sys; from tasks.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "train", "quickstart", "--help"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_our_warnings_are_lines_and_others_stay(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> None:
        warnings.warn("left out", UnknownSettingWarning, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("another", UserWarning, stacklevel=1)

    before = warnings.showwarning
    with pytest.warns(UserWarning, match="another"):
        finish(action)
    assert warnings.showwarning is before
    assert capsys.readouterr().err == "warning: left out\n"


def test_a_setting_of_a_saved_file_that_is_unknown_is_warned_of(
    commands: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("settings_version: 2\ntask: detection\noptim: {magic: 1}\n")
    answer = commands("train", file, "--help")
    assert answer.status == 0, answer.error
    seen = f"{file} holds settings that this version does not know: optim.magic; they are left out"
    assert answer.error == f"warning: {seen}\n"
