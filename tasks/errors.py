"""Errors about data, with their parts, and lists written as words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from resnet_backbones.errors import UserError


class DataError(UserError):
    """An error about data that break a rule, as one sentence and as its parts.

    `rule` says what must hold and what was seen, `way_out` what the user can do; the sentence also
    names the `record`, if given. A single text is taken as the whole sentence, because torch
    rebuilds a worker's error from its text.
    """

    def __init__(self, rule: str, way_out: str = "", record: str = "") -> None:
        where = f" in {record}" if record else ""
        end = f"; {way_out}" if way_out else ""
        super().__init__(f"{rule}{where}{end}")
        self.rule = rule
        self.way_out = way_out
        self.record = record


@contextmanager
def errors_of(source: str | Path) -> Iterator[None]:
    """Put a file's name in front of the user errors raised in this context."""
    try:
        yield
    except UserError as error:
        raise type(error)(f"{source}: {error}") from error


def quoted(names: Sequence[str], limit: int = 8) -> str:
    """Join names as `few` does, in quotation marks, so that blanks are visible."""
    return few([repr(name) for name in names], limit)


def few(names: Sequence[str], limit: int = 8) -> str:
    """Join names by commas; beyond `limit`, say how many there are instead of the rest."""
    rest = f", … ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
