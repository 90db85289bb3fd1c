"""How a run ended is written into its folder."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.run_ending import ENDED, read_ending
from tasks.engine.run_lock import RunLock


def end(folder: Path, error: BaseException | None) -> None:
    with RunLock(folder, active=True) as lock:
        lock.acquire()
        if error is not None:
            raise error


def test_a_run_that_comes_to_its_end_is_finished(tmp_path: Path) -> None:
    end(tmp_path, None)
    ending = read_ending(tmp_path)
    assert ending is not None
    assert (ending.how, ending.why) == ("finished", "")


@pytest.mark.parametrize("error", [SystemExit(143), KeyboardInterrupt()])
def test_a_run_that_leaves_at_a_signal_is_stopped(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        end(tmp_path, error)
    ending = read_ending(tmp_path)
    assert ending is not None
    assert ending.how == "stopped"


@pytest.mark.parametrize(
    ("error", "why"),
    [(UserError("lower optim.lr"), "lower optim.lr"), (KeyError("name"), "KeyError: 'name'")],
)
def test_a_run_that_an_error_ends_has_failed(tmp_path: Path, error: Exception, why: str) -> None:
    with pytest.raises(type(error)):
        end(tmp_path, error)
    ending = read_ending(tmp_path)
    assert ending is not None
    assert (ending.how, ending.why) == ("failed", why)


def test_another_start_forgets_it(tmp_path: Path) -> None:
    end(tmp_path, None)
    with RunLock(tmp_path, active=True) as lock:
        lock.acquire()
        assert read_ending(tmp_path) is None


def test_a_start_that_never_had_the_folder_says_nothing(tmp_path: Path) -> None:
    with RunLock(tmp_path / "run", active=True):
        pass
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"how": "finished"}'])
def test_a_damaged_file_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ENDED).write_text(text)
    assert read_ending(tmp_path) is None
