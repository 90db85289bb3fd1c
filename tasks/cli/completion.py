"""Completion of commands, options and files in a shell."""

from argparse import Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "tcsh")


def completion_script(parser: ArgumentParser, shell: str) -> str:
    """Write a shell script that completes the words of a parser; unknown words are completed as
    files.
    """
    import shtab

    for action in _arguments(parser):
        action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
    script: str = shtab.complete(parser, shell=shell)
    return script


def _arguments(parser: ArgumentParser) -> Iterator[Action]:
    """Arguments and options of a parser and all below it that take any word."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for below in action.choices.values():
                yield from _arguments(below)
        elif action.choices is None and action.nargs != 0:
            yield action
