"""A command as a value: its name, its arguments and the function that runs it."""

import textwrap
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


def add_force(parser: ArgumentParser) -> None:
    """Add --force to a command that writes to a path chosen by the user."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace files that the command did not write, or wrote with other settings",
    )


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: one word after `backbones`."""

    name: str
    summary: str
    """One short sentence, also shown in the list of commands."""
    details: str = ""
    """Further sentences for `--help`."""
    examples: str
    """Lines to type, some with a note."""
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, ArgumentParser], int | None]
    """Runs the command and returns the exit status; None means 0.

    It may raise the errors that `endings.finish` turns into a line, and call the parser's `error`
    if arguments contradict each other. `arguments.task` is the task of a script in tools/, or
    None.
    """
    own_help: bool = False
    """Whether the command handles `--help` itself, as its text depends on the other arguments."""
    has_kinds: bool = False
    """Whether its first argument decides which others there are; options then follow it."""

    def parser(self, prog: str | None = None, description: str | None = None) -> ArgumentParser:
        """A parser of its own; None takes the script's name, and the command's description."""
        parser = ArgumentParser(
            prog=prog,
            description=self.description if description is None else description,
            formatter_class=RawDescriptionHelpFormatter,
            add_help=not self.own_help,
        )
        self.add_arguments(parser)
        return parser

    @property
    def description(self) -> str:
        """What `--help` shows above the arguments."""
        text = textwrap.fill(f"{self.summary} {self.details}", 79)
        return f"{text}\n\n{self.examples.strip()}"

    def parse(self, parser: ArgumentParser, words: Sequence[str]) -> Namespace:
        """Parse the arguments; options may stand anywhere among them.

        A `~` at the beginning of a value is the home folder, even if the shell does not expand it.
        """
        words = [_at_home(word) for word in words]
        return parser.parse_args(words) if self.has_kinds else parser.parse_intermixed_args(words)


def _at_home(word: str) -> str:
    """Expand a `~/` at the beginning of a word's value: `--out=~/found`, `name=~/file`."""
    name, equals, value = word.partition("=")
    if not value.startswith("~/"):
        name, equals, value = "", "", word
    if value == "~" or value.startswith("~/"):
        value = str(Path(value).expanduser())
    return f"{name}{equals}{value}"
