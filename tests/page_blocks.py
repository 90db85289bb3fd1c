"""Blocks of code in the pages: found, and turned into what a shell would start."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
)
LANGUAGES = {"bash": "shell", "sh": "shell", "python": "python"}
RECORDED = (
    "backbones",
    "torchrun",
    "srun",
    "python",
    "python3",
    "make",
    "pip",
    "git",
    "tensorboard",
)
"""Programs that a block may start; what they are given is written down instead."""
_MARK = re.compile(r"<!-- no-run: (?P<reason>.+?) -->")
_FENCE = re.compile(r"^```(?P<language>\w*)$")


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    page: str
    line: int
    """Of its first line of code, from 1."""
    language: str
    """shell or python."""
    code: str
    no_run: str | None
    """Why it cannot be run here, as the page says in a comment above it."""


def read_blocks(page: str) -> list[Block]:
    """The shell and Python blocks of a page, in their order."""
    blocks: list[Block] = []
    lines = (ROOT / page).read_text().splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        number += 1
        if fence is None:
            continue
        end = lines.index("```", number)
        language = LANGUAGES.get(fence["language"])
        if language is not None:
            code = "\n".join(lines[number:end])
            blocks.append(Block(page, number + 1, language, code, _mark_above(lines, number - 1)))
        number = end + 1
    return blocks


def _mark_above(lines: list[str], fence: int) -> str | None:
    above = [line for line in lines[max(fence - 2, 0) : fence] if line]
    mark = _MARK.fullmatch(above[-1]) if above else None
    return mark["reason"] if mark is not None else None


def started_by(code: str, folder: Path) -> list[list[str]]:
    """The commands that bash starts for a block, with their words as bash expands them.

    Nothing is started: each program is replaced by one that writes down its words.
    """
    record = folder / ".commands"
    record.write_bytes(b"")
    for script in sorted((ROOT / "tools").glob("*.py")):
        _write_recorder(folder / "tools" / script.name, f"tools/{script.name}", record)
    for program in RECORDED:
        _write_recorder(folder / ".bin" / program, program, record)
    path = f"{folder / '.bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    script = f"set -eu\n{code}\n"
    subprocess.run(["bash", "-c", script], cwd=folder, env=environment, check=True, timeout=60)
    commands = record.read_bytes().decode().split("\0\n")
    return [command.split("\0") for command in commands if command]


def _write_recorder(path: Path, name: str, record: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!/bin/sh\nprintf '%s' '{name}' >> '{record}'\n"
        f"[ $# -eq 0 ] || printf '\\0%s' \"$@\" >> '{record}'\n"
        f"printf '\\0\\n' >> '{record}'\n"
    )
    path.chmod(0o755)
