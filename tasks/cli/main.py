"""The console command `backbones`, and the scripts in tools/.  Imports nothing heavy."""

import difflib
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import metadata
from typing import NoReturn

from tasks.cli import (
    backbone,
    check,
    convert,
    evaluate,
    export,
    predict,
    recipes,
    report,
    serve,
    train,
    watch,
    weights,
)
from tasks.cli.command import Command
from tasks.cli.completion import SHELLS, completion_script
from tasks.cli.endings import finish

PROGRAM = "backbones"


def _completion_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def _completion(arguments: Namespace, _: ArgumentParser) -> None:
    print(completion_script(full_parser(), arguments.shell))


COMPLETION = Command(
    name="completion",
    summary="Print a script for completion in a shell.",
    examples='eval "$(backbones completion bash)"        in ~/.bashrc',
    add_arguments=_completion_arguments,
    run=_completion,
)
COMMANDS = {
    command.name: command
    for command in (
        train.COMMAND,
        watch.COMMAND,
        evaluate.COMMAND,
        predict.COMMAND,
        serve.COMMAND,
        check.CHECK,
        convert.COMMAND,
        weights.COMMAND,
        export.COMMAND,
        check.SHAPES,
        report.REPORT,
        report.COMPARE,
        backbone.DESCRIBE,
        backbone.RESPONSES,
        recipes.COMMAND,
        COMPLETION,
    )
}
"""In the order of `backbones --help`."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, given without its first word; return the exit status."""
    words = sys.argv[1:] if words is None else words
    if words and words[0] in COMMANDS:
        command = COMMANDS[words[0]]
        return execute(command, command.parser(f"{PROGRAM} {command.name}"), words[1:])
    parser = full_parser()
    if not words:
        parser.print_help(sys.stderr)
        return 2
    if not words[0].startswith("-"):
        near = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COMMANDS)}"
        parser.exit(2, f"error: {words[0]!r} is not a command; {hint}\n")
    parser.parse_args(words)  # --help, --version or a mistake
    return 2


def run_tool(name: str, description: str | None, task: str | None = None) -> NoReturn:
    """Run a command as a script of tools/, and exit; `task` is the script's own."""
    command = COMMANDS[name]
    parser = command.parser(description=description)
    sys.exit(execute(command, parser, sys.argv[1:], task))


def execute(
    command: Command, parser: ArgumentParser, words: Sequence[str], task: str | None = None
) -> int:
    """Parse the words after a command's name and run it; return the exit status."""
    parser.set_defaults(task=task)
    arguments = command.parse(parser, words)
    return finish(lambda: command.run(arguments, parser))


def full_parser() -> ArgumentParser:
    """The parser of all commands, for `--help` and completion."""
    parser = ArgumentParser(
        prog=PROGRAM,
        description="ResNet features to classify, detect and segment: train, score, predict.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    parsers = parser.add_subparsers(
        title="commands",
        metavar="COMMAND",
        description=f"`{PROGRAM} COMMAND --help` describes each",
    )
    for command in COMMANDS.values():
        below = parsers.add_parser(
            command.name, help=command.summary, add_help=not command.own_help
        )
        command.add_arguments(below)
    return parser


def _version() -> str:
    try:
        return metadata.version("resnet-backbones")
    except metadata.PackageNotFoundError:  # run from its source tree
        return "(not installed)"
