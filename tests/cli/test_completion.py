"""Completion scripts of every shell hold every command."""

import pytest
from command_line import Commands

from tasks.cli.completion import SHELLS
from tasks.cli.main import COMMANDS


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_holds_commands_and_options(commands: Commands, shell: str) -> None:
    pytest.importorskip("shtab")
    answer = commands("completion", shell)
    assert answer.status == 0, answer.error
    for text in (*COMMANDS, "annotations"):
        assert text in answer.output
