"""Bugs of ours show their traceback with file and line, mistakes of users one line, everywhere."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import command_line
from PIL import Image

SCRIPT = Path(__file__).with_name("planted.py")
LINE = "error: data.root must hold whole images, got half of one; replace it"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(8):
        Image.fromarray(np.full((4, 4, 3), number, dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def run(where: str, kind: str, images: Path, folder: Path, *more: str, ranks: int = 1) -> str:
    arguments = (f"data.root={images}", f"run.output_dir={folder}", "run.device=cpu", *more)
    done = subprocess.run(
        command_line(SCRIPT, where, kind, *arguments, ranks=ranks),
        cwd=SCRIPT.parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    if ranks == 1:
        assert done.returncode == (1 if kind == "bug" else 2)
    return done.stderr


def bug_line() -> str:
    lines = SCRIPT.read_text().splitlines()
    number = next(at for at, line in enumerate(lines, start=1) if line.endswith("# planted"))
    return f'planted.py", line {number}, in fail'


@pytest.mark.parametrize("where", ["loss", "worker", "scoring"])
def test_a_bug_keeps_its_traceback(where: str, images: Path, tmp_path: Path) -> None:
    error = run(where, "bug", images, tmp_path, "data.workers=1")
    assert bug_line() in error
    assert "ValueError: too many values to unpack" in error
    assert "error: " not in error.replace("ValueError: ", "")


@pytest.mark.parametrize("where", ["loss", "worker", "scoring"])
def test_a_mistake_of_a_user_is_one_line(where: str, images: Path, tmp_path: Path) -> None:
    error = run(where, "user", images, tmp_path, "data.workers=1")
    assert [line for line in error.splitlines() if "error" in line.lower()] == [LINE]
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "where",
    ["rank1", *(pytest.param(name, marks=pytest.mark.slow) for name in ("worker", "scoring"))],
)
def test_a_bug_on_another_rank_keeps_its_traceback(
    where: str, images: Path, tmp_path: Path
) -> None:
    error = run(where, "bug", images, tmp_path, "data.workers=1", ranks=2)
    assert bug_line() in error


@pytest.mark.parametrize("where", ["worker", pytest.param("scoring", marks=pytest.mark.slow)])
def test_a_users_mistake_on_another_rank_is_one_line_on_every_rank(
    where: str, images: Path, tmp_path: Path
) -> None:
    error = run(where, "user", images, tmp_path, "data.workers=1", ranks=2)
    assert LINE in error
    assert "planted.py" not in error.split("torch.distributed.elastic")[0]
    assert "[rank" not in error, "torch's mark of a traceback"
