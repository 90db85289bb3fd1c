"""Recipes are found by name, files by path, and wrong names answered with right ones."""

import sys
from pathlib import Path

import pytest
from command_line import Commands

from resnet_backbones.errors import UserError
from tasks.cli.recipes import Recipe, find_recipe, list_recipes, recipe_folder
from tasks.cli.registry import TASKS

ROOT = Path(__file__).resolve().parents[2]


def test_the_recipes_are_those_of_the_repository() -> None:
    assert recipe_folder().samefile(ROOT / "configs")
    names = {path.stem for path in (ROOT / "configs").iterdir()}
    assert {recipe.name for recipe in list_recipes()} == names


@pytest.mark.parametrize("recipe", list_recipes(), ids=lambda recipe: recipe.name)
def test_a_recipe_tells_task_cost_and_expected_scores(recipe: Recipe) -> None:
    assert recipe.task in TASKS
    for label in ("Cost", "Expected"):
        assert 5 < len(recipe.head(label)) < 100


def test_a_name_is_a_recipe_and_a_path_a_file() -> None:
    assert find_recipe("quickstart").samefile(ROOT / "configs" / "quickstart.yaml")
    for path in ("./quickstart", "my/quickstart", "quickstart.yaml", "quickstart.yml"):
        assert find_recipe(path) == Path(path)
    assert find_recipe("~/quickstart").is_absolute()


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no recipe is called 'faster_rcnn_50'; did you mean"):
        find_recipe("faster_rcnn_50")


def test_a_file_of_that_name_is_pointed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").touch()
    with pytest.raises(UserError, match=r"the file of that name is \./mine"):
        find_recipe("mine")


def test_a_setting_in_the_recipes_place_is_named() -> None:
    for text in ("data.root=coco", "data.root=/path/to/coco", "optim.lr=1.yaml"):
        with pytest.raises(UserError, match=f"a recipe must come before the settings, got {text}"):
            find_recipe(text)


def test_the_list_has_a_line_for_each(commands: Commands) -> None:
    header, *lines = commands("recipes").output.splitlines()
    assert header.split() == ["recipe", "task", "cost", "expected"]
    assert [line.split()[0] for line in lines] == [recipe.name for recipe in list_recipes()]
    assert any("72 box AP on the held-out shapes" in line for line in lines)


def test_one_is_printed_and_copied_but_never_over_a_file(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    text = (ROOT / "configs" / "quickstart.yaml").read_text()
    assert commands("recipes", "quickstart").output == text
    answer = commands("recipes", "quickstart", "--out", "mine")
    assert answer.output == "written: mine\ntrain it: backbones train ./mine\n"
    assert Path("mine").read_text() == text
    refused = commands("recipes", "overfit", "--out", "mine")
    assert refused.status == 2
    assert "--out must be a new file, got mine" in refused.error
    assert Path("mine").read_text() == text
