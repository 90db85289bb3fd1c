"""`backbones`: every command is listed, explains itself at once, and refuses in one line."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Commands, blocking

from tasks.cli.endings import TRAIN_EXTRA
from tasks.cli.main import COMMANDS

NAMES = (
    *(
        "train",
        "eval",
        "predict",
        "check",
        "convert",
        "convert-weights",
        "export-weights",
        "shapes",
        "report",
    ),
    *("serve", "watch", "compare", "describe", "responses", "recipes", "completion"),
)


def test_the_commands() -> None:
    assert set(COMMANDS) == set(NAMES)


def test_help_lists_every_command_in_a_line(commands: Commands) -> None:
    answer = commands("--help")
    assert answer.status == 0
    for command in COMMANDS.values():
        assert command.summary in answer.output
        assert len(command.summary) < 62  # with its indent, in 80 columns


def test_every_help_has_an_example_and_needs_neither_torch_nor_the_extra() -> None:
    """One process, in which torch and what the extra `train` brings fail on import."""
    code = f"""
import contextlib, io, json
from tasks.cli.main import main
texts = {{}}
for name in {NAMES}:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            status = main([name, "--help"])
        except SystemExit as stopped:
            status = stopped.code
    assert not status, name
    texts[name] = printed.getvalue()
print(json.dumps(texts))
"""
    started = time.perf_counter()
    command = [sys.executable, "-c", blocking("torch", *TRAIN_EXTRA) + code]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert time.perf_counter() - started < 5
    for name, text in json.loads(answer.stdout).items():
        assert text.startswith(f"usage: backbones {name} ")
        assert f"\nbackbones {name} " in text or f"(backbones {name} " in text, "an example"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "error: 'trian' is not a command; did you mean train?"),
        (["train"], "backbones train: error: a RECIPE is needed, such as quickstart"),
        (["eval"], "error: give either a RUN or --results"),
        (["eval", "--results", "x.json"], "error: --results and --annotations go together"),
        (["eval", "runs/x", "--images", "x"], "error: --images goes with --results"),
        (["recipes", "--out", "x"], "error: --out goes with the name of a recipe"),
        (["describe", "resnet18", "--size", "0"], "error: --size must be >= 1, got 0"),
        (["describe", "resnet18", "--option", "x"], "error: --option takes NAME=VALUE"),
        (["responses", "resnet18", "--count", "1"], "error: --count and --size must be >= 2"),
        (["convert-weights", "a", "b", "--to", "timm", "--rename", "x"], "takes OLD=NEW"),
        (["convert", "coco"], "invalid choice: 'coco'"),
        (["completion", "cmd"], "invalid choice: 'cmd'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_answered_with_its_usage(
    commands: Commands, words: list[str], message: str
) -> None:
    answer = commands(*words)
    assert answer.status == 2
    assert message in answer.error


def test_without_a_command_there_is_help(commands: Commands) -> None:
    answer = commands()
    assert (answer.status, answer.output) == (2, "")
    assert "backbones COMMAND --help" in answer.error


def test_the_version(commands: Commands) -> None:
    assert commands("--version").output.startswith("backbones ")


@pytest.mark.parametrize(
    "words",
    [
        ["train", "quickstart", "data.root=nowhere"],
        ["train", "quickstart", "optim.lr=fast"],
        ["train", "quickstart", "data.batchsize=4"],
        ["train", "quickstart", "model.backbone=resnet81"],
        ["train", "quickstrt"],
        ["train", "nowhere.yaml"],
        ["train", "data.root=nowhere"],
        ["eval", "nowhere.pt"],
        ["eval", "--results", "nowhere.json", "--annotations", "nowhere.json"],
        ["predict", "nowhere.pt", "image.jpg", "--out", "found"],
        ["predict", "nowhere.pt", "image.jpg", "--out", "found", "--score", "50"],
        ["check", "nowhere"],
        ["convert", "csv", "nowhere.csv", "out.json"],
        ["convert-weights", "nowhere.pth", "out.pth", "--to", "timm"],
        ["export-weights", "nowhere", "out.pt"],
        ["export-weights", "nowhere", "out.onnx"],
        ["report", "nowhere"],
        ["compare", "nowhere", "elsewhere"],
        ["describe", "resnet81"],
        ["responses", "resnet81"],
        ["recipes", "quickstrt"],
    ],
    ids=" ".join,
)
def test_a_wrong_setting_or_a_missing_file_is_one_line_without_torch(
    words: list[str], tmp_path: Path
) -> None:
    answer = run_blocking(["torch"], words, tmp_path)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.startswith("error: "), answer.stderr
    assert answer.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["train", "quickstart"],
        ["eval", "--results", "a.json", "--annotations", "b.json"],
        ["check", "folder"],
        ["convert", "csv", "a.csv", "b.json"],
        ["shapes", "out"],
        ["report", "run"],
        ["compare", "run", "run"],
        ["responses", "resnet18", "--count", "2", "--size", "32"],
        ["describe", "timm:resnet18"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_without_the_extra_the_way_to_get_it_is_told(words: list[str], tmp_path: Path) -> None:
    answer = run_blocking(TRAIN_EXTRA, words, tmp_path)
    assert answer.returncode == 2, answer.stderr
    line = "error: this command needs more packages: pip install 'resnet-backbones[train]' (no mod"
    assert answer.stderr.startswith(line), answer.stderr
    assert answer.stderr.count("\n") == 1


def test_describe_needs_torch_and_safetensors_alone(tmp_path: Path) -> None:
    answer = run_blocking(TRAIN_EXTRA, ["describe", "resnet18", "--size", "32"], tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "11,689,512" in answer.stdout or "11689512" in answer.stdout


def run_blocking(
    modules: list[str] | set[str], words: list[str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """A command in a process where the modules fail on import."""
    code = "import sys; from tasks.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", blocking(*modules) + code, *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.mark.parametrize("name", COMMANDS)
def test_descriptions_fit_the_line(name: str) -> None:
    assert max(map(len, COMMANDS[name].description.splitlines())) <= 100
