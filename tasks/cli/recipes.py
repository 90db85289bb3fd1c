"""Recipes by name: the settings files that come with the package.  Imports nothing heavy."""

import difflib
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.cli.command import Command
from tasks.engine.commands import command
from tasks.files import write_text

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Recipe:
    """A settings file of ours."""

    path: Path

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return self.path.stem

    @property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text(encoding="utf-8")

    @property
    def task(self) -> str:
        """What it trains."""
        found = re.search(r"^task: *(\w+)", self.text, re.MULTILINE)
        return "" if found is None else found.group(1)

    def head(self, label: str) -> str:
        """Return the first clause under a label in the comment at the file's head."""
        comment = takewhile(lambda line: line.startswith("#"), self.text.splitlines())
        text = " ".join(line.lstrip("# ") for line in comment)
        _, _, rest = text.partition(f" {label} ")
        return re.split(r"[,;:.] | \(", rest.strip(), maxsplit=1)[0].removesuffix(".")


def recipe_folder() -> Path:
    """Where the recipes are: inside an installed package, or beside `tasks` in a source tree.

    An editable install is a source tree too: importlib finds no `tasks.configs` there.
    """
    package = Path(str(files("tasks")))
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def list_recipes() -> list[Recipe]:
    """All recipes by name."""
    return [Recipe(path) for path in sorted(recipe_folder().glob("*.yaml"))]


def is_path(argument: str) -> bool:
    """Whether an argument is a file's path; anything else is a recipe's name."""
    return "/" in argument or "\\" in argument or argument.endswith(ENDINGS)


def find_recipe(argument: str) -> Path:
    """Return the settings file that an argument names; UserError with the nearest names if none."""
    if re.match(r"[A-Za-z_][\w.]*=", argument):
        raise UserError(f"a recipe must come before the settings, got {argument} in its place")
    if is_path(argument):
        return Path(argument).expanduser()
    return find_named(argument).path


def find_named(name: str) -> Recipe:
    """Return a recipe by name; UserError with the nearest names, and a hint if it is a file."""
    recipes = {recipe.name: recipe for recipe in list_recipes()}
    if name in recipes:
        return recipes[name]
    near = difflib.get_close_matches(name, recipes, n=3)
    hints = [f"did you mean {' or '.join(near)}?"] if near else []
    if Path(name).is_file():
        hints.append(f"the file of that name is ./{name}")
    hints.append("`backbones recipes` lists all")
    raise UserError(f"no recipe is called {name!r}; {'; '.join(hints)}")


def table(recipes: Sequence[Recipe]) -> str:
    """A line for each recipe: name, task, cost and expected scores."""
    header = ("recipe", "task", "cost", "expected")
    rows = [header]
    for recipe in recipes:
        rows.append((recipe.name, recipe.task, recipe.head("Cost"), recipe.head("Expected")))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for row in rows:
        cells = [row[column].ljust(widths[column]) for column in range(3)]
        lines.append("  ".join([*cells, row[3]]).rstrip())
    return "\n".join(lines)


def copy_recipe(recipe: Recipe, file: Path) -> str:
    """Copy a recipe; return the command that trains it. UserError if the file exists."""
    if file.exists():
        raise UserError(f"--out must be a new file, got {file}, which exists; choose another name")
    write_text(file, recipe.text)
    argument = str(file) if is_path(str(file)) else f"./{file}"
    return f"written: {file}\ntrain it: {command('train', argument)}"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the recipe to print")
    parser.add_argument("--out", type=Path, metavar="FILE", help="copy it to a new file instead")


def _run(arguments: Namespace, parser: ArgumentParser) -> None:
    if arguments.name is None:
        if arguments.out is not None:
            parser.error("--out goes with the name of a recipe")
        print(table(list_recipes()))
        return
    recipe = find_named(arguments.name)
    if arguments.out is None:
        print(recipe.text, end="")
    else:
        print(copy_recipe(recipe, arguments.out))


COMMAND = Command(
    name="recipes",
    summary="List recipes, print one, or copy one to change it.",
    examples="""
backbones recipes
backbones recipes quickstart
backbones recipes faster_rcnn_r18_custom --out mine.yaml
""",
    add_arguments=_add_arguments,
    run=_run,
)
