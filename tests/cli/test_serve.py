"""`backbones serve` on the detector that comes with the package."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import ROOT, Commands


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kill the process if the test fails: leaving it would wait for its end."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_answers_until_a_signal_ends_it(shapes: Path, number: signal.Signals) -> None:
    words = ["serve", "ours:shapes", "--port", "0", "--no-browser", "--device", "cpu"]
    command = [sys.executable, "-c", f"from tasks.cli.main import main; exit(main({words}))"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with (
        subprocess.Popen(command, **pipes, text=True, cwd=ROOT) as process,
        ending(process),
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        url = first.rpartition(" ")[2].strip()
        image = min((shapes / "val").glob("*.jpg")).read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{url}predict", image, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())
        process.send_signal(number)
        output, error = process.communicate(timeout=30)
    assert first.startswith("ours:shapes answers at http://127.0.0.1:")
    assert found["boxes"][0]["score"] > 0.5
    assert (process.returncode, error) == (0, "")
    assert output.endswith("stopped\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "error: a checkpoint must exist, got nowhere"),
        (["ours:shapes", "--port", "70000"], "error: --port must be from 0 to 65535, got 70000"),
        (["ours:shapes", "--max-upload", "0"], "error: --max-upload must be > 0, got 0"),
    ],
)
def test_a_mistake_is_answered_in_a_line(
    commands: Commands, words: list[str], message: str
) -> None:
    answer = commands("serve", *words)
    assert answer.status == 2
    assert answer.error.startswith(message)
