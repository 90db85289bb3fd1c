"""The command as a wheel installs it, in a folder of somebody else's with a tasks.py of its own."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("resnet_backbones", "tasks", "configs", "pyproject.toml", "README.md", "LICENSE")
STEPS = ("schedule.steps=2", "data.workers=2", "run.device=cpu", "run.precision=fp32")
LONGEST = 300  # seconds that a process may take

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """A folder of installed packages with its command, and where a stranger stands."""

    packages: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Finds the installed packages, their command, and torchrun."""
        programs = (self.packages / "bin", Path(sys.executable).parent)
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        return {**os.environ, "PYTHONPATH": str(self.packages), "PATH": path}

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command line as it is typed."""
        return subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, command: str) -> str:
        """The output of a command line that must succeed."""
        process = self.start(command)
        printed, _ = process.communicate(timeout=LONGEST)
        assert process.returncode == 0, printed
        return printed


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed without what it needs, which is there already."""
    if int(metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("a wheel is built with setuptools >= 77")
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in SOURCE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / "source" / name)
    pip = [sys.executable, "-m", "pip"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "source"]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "install", "--no-deps", "--target", folder / "packages", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "packages"


@pytest.fixture
def installed(packages: Path, tmp_path: Path) -> Installed:
    (tmp_path / "tasks.py").write_text("raise RuntimeError('this tasks.py is not ours')\n")
    found = Installed(packages, tmp_path)
    where = found(f"{sys.executable} -P -c 'import tasks; print(tasks.__file__)'")
    assert Path(where.strip()) == packages / "tasks" / "__init__.py"
    return found


def test_recipes_are_listed_copied_and_trained_by_name(installed: Installed, shapes: Path) -> None:
    listed = installed("backbones recipes")
    for path in (ROOT / "configs").iterdir():
        assert path.stem in listed
    copied = installed("backbones recipes quickstart --out mine.yaml")
    assert copied.endswith("train it: backbones train mine.yaml\n")
    settings = shlex.join([f"data.root={shapes}", *STEPS])
    printed = installed(f"backbones train quickstart {settings} run.output_dir=one")
    predict = printed.partition("Try next ")[2].splitlines()[0].strip()
    assert predict.startswith("backbones predict one ")
    installed(f"{predict} --score 0")
    assert (installed.folder / "one" / "found" / "predictions.json").is_file()
    again = installed(f"backbones train mine.yaml {settings} run.output_dir=two")
    assert "Scores on" in again


def test_two_processes_train_it(installed: Installed, shapes: Path) -> None:
    settings = shlex.join([f"data.root={shapes}", *STEPS])
    launcher = "torchrun --no-python --standalone --nproc-per-node 2"
    printed = installed(f"{launcher} backbones train quickstart {settings}")
    assert (installed.folder / "runs" / "quickstart" / "evaluation.json").is_file()
    assert printed.count("Scores on") == 1


@pytest.mark.parametrize(
    ("launcher", "resumes"),
    [
        ("", "backbones train quickstart"),
        (
            "torchrun --no-python --standalone --nproc-per-node 2",
            "torchrun --no-python --nproc-per-node 2 --standalone backbones train quickstart",
        ),
    ],
)
def test_a_stopped_run_is_resumed_by_the_printed_command(
    installed: Installed, shapes: Path, launcher: str, resumes: str
) -> None:
    settings = shlex.join([f"data.root={shapes}", "schedule.steps=4", *STEPS[1:]])
    running = installed.start(f"{launcher} backbones train quickstart {settings} run.log_every=1")
    assert running.stdout is not None
    printed = ""
    while "step 1/4" not in printed:
        line = running.stdout.readline()
        assert line, printed
        printed += line
    running.send_signal(signal.SIGTERM)
    rest, _ = running.communicate(timeout=LONGEST)
    command = rest.partition("; this continues:\n")[2].splitlines()[0].strip()
    assert command.startswith(resumes)
    assert "resumed after step" in installed(command)


def test_the_doors_in_python(installed: Installed, shapes: Path) -> None:
    (installed.folder / "tasks.py").unlink()  # a script's own folder comes first
    script = installed.folder / "script.py"
    script.write_text(
        "from tasks import evaluate, load, train\n"
        "if __name__ == '__main__':\n"
        f"    run = train('quickstart', data={{'root': {str(shapes)!r}, 'workers': 0}},\n"
        "                schedule={'steps': 1}, run={'device': 'cpu', 'precision': 'fp32'})\n"
        "    assert evaluate(run).keys() == run.scores.keys()\n"
        f"    load(run)({str(next((shapes / 'val').iterdir()))!r}).save('found.png')\n"
    )
    installed(f"{sys.executable} script.py")
    assert (installed.folder / "found.png").is_file()
