"""A script of tools/ answers as its command does, and is a door: nothing but a call."""

import ast
import json
from pathlib import Path

import pytest
from command_line import Commands, Tools

ROOT = Path(__file__).resolve().parents[2]
DOORS = {
    "train_det.py": "train",
    "eval_det.py": "eval",
    "train_cls.py": "train",
    "eval_cls.py": "eval",
    "train_seg.py": "train",
    "eval_seg.py": "eval",
    "predict.py": "predict",
    "check_data.py": "check",
    "convert_data.py": "convert",
    "convert_weights.py": "convert-weights",
    "make_shapes.py": "shapes",
    "report.py": "report",
    "compare.py": "compare",
    "describe.py": "describe",
    "analyze_responses.py": "responses",
}


OTHERS = {"benchmark.py", "publish_weights.py"}  # what needs the repository, and is no command


def test_every_other_tool_is_a_door() -> None:
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert tools == DOORS.keys() | OTHERS
    for name, command in DOORS.items():
        docstring, imported, call = ast.parse((ROOT / "tools" / name).read_text()).body
        assert f"tools/{name}" in ast.literal_eval(docstring.value), "an example"
        assert isinstance(imported, ast.ImportFrom)
        assert f"run_tool('{command}', __doc__" in ast.unparse(call)


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("train_det.py", ["configs/quickstart.yaml", "data.root=nowhere"]),
        ("eval_det.py", ["nowhere"]),
        ("predict.py", ["nowhere", "x.jpg", "--out", "found"]),
        ("check_data.py", ["nowhere"]),
        ("convert_data.py", ["voc", "nowhere", "out.json"]),
        ("convert_weights.py", ["nowhere.pth", "out.pth", "--to", "timm"]),
        ("make_shapes.py", ["out", "--size", "5"]),
        ("report.py", ["nowhere"]),
        ("compare.py", ["nowhere", "nowhere"]),
        ("describe.py", ["resnet18", "--size", "64"]),
        ("analyze_responses.py", ["resnet81"]),
    ],
)
def test_a_tool_answers_as_its_command(
    tool: str, words: list[str], tools: Tools, commands: Commands
) -> None:
    by_tool = tools(f"tools/{tool}", *words)
    by_command = commands(DOORS[tool], *words)  # from the same folder
    assert by_tool == by_command
    assert by_tool.status == (0 if tool == "describe.py" else 2)


def test_shapes_are_the_same_by_both(tools: Tools, commands: Commands, tmp_path: Path) -> None:
    size = ("--train", "2", "--val", "1", "--size", "96", "--seed", "3")
    folders = (tmp_path / "tool", tmp_path / "command")
    tools("tools/make_shapes.py", folders[0], *size)
    answer = commands("shapes", folders[1], *size)
    assert answer.status == 0
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in folders
    ]
    assert files[0] == files[1]
    annotations = folders[1] / "annotations" / "instances_train.json"
    assert len(json.loads(annotations.read_text())["images"]) == 2


def test_a_recipe_by_name_says_which_data_to_check(
    commands: Commands, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = commands("check", "quickstart", f"data.root={shapes}")
    assert answer.status == 0, answer.error
    assert "24 images" in answer.output
