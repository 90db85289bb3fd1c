"""metrics.jsonl: the measurements of a training, one JSON object a line, one line a step."""

import json
from pathlib import Path
from typing import Any

from resnet_backbones.errors import UserError

Row = dict[str, Any]


def read_metrics(path: Path) -> list[Row]:
    """Read the rows, each with its `step`, a whole number.

    A last line that a killed process left unfinished is dropped, and so are null bytes that a power
    cut left at the end. Any other line that is not such a row is a UserError naming file and line.
    """
    lines = (
        path.read_bytes().rstrip(b"\0").split(b"\n")[:-1]
    )  # what follows the last break is unfinished
    return [_row(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _row(line: bytes, where: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # bytes that are not text are a ValueError
        row = None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        seen = line.decode(errors="replace")[:60]
        raise UserError(
            f"{where}: a line must be a JSON object with a whole number `step`, got {seen!r};"
            " remove the line"
        )
    return row
