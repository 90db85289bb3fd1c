"""Expand a pattern of shards to files."""

import re
from collections.abc import Iterator
from pathlib import Path

from resnet_backbones.errors import UserError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_REMOTE = re.compile(r"pipe:|[a-z][a-z0-9+.-]+:/", re.IGNORECASE)


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern of files, with `{first..last}`, `{a,b}`, `*`, `?` or `[…]`."""
    return any(letter in str(path) for letter in "{*?[") and not path.exists()


def refuse_remote(path: str) -> None:
    """Raise UserError for an address or a command, which WebDataset would accept."""
    if _REMOTE.match(path):
        raise UserError(
            f"data must be on this machine's disks, got {path}; download it, or mount it as a"
            " folder"
        )


def find_shards(pattern: Path) -> list[Path]:
    """List the files of a pattern, those of `*` sorted.

    Raises UserError if there are none, and for a missing file that braces name.
    """
    shards: list[Path] = []
    for text in expand(str(pattern)):
        path = Path(text)
        found = [path] if path.is_file() else sorted(path.parent.glob(path.name))
        if not found:
            raise UserError(f"no shard {path}, of the pattern {pattern}; correct the pattern")
        shards += found
    return list(dict.fromkeys(shards))


def expand(text: str) -> Iterator[str]:
    """Expand `{first..last}` and `{a,b}` as a shell does."""
    braces = _BRACES.search(text)
    if braces is None:
        yield text
        return
    for choice in _choices(braces[1]):
        yield from expand(f"{text[: braces.start()]}{choice}{text[braces.end() :]}")


def _choices(inside: str) -> Iterator[str]:
    """Expand one pair of braces; numbers keep their zeros."""
    numbers = _RANGE.fullmatch(inside)
    if numbers is None:
        yield from inside.split(",")
        return
    for number in range(int(numbers[1]), int(numbers[2]) + 1):
        yield f"{number:0{len(numbers[1])}}"
