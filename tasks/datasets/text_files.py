"""Text files that people made."""

from pathlib import Path

from resnet_backbones.errors import UserError


def read_text(path: Path, what: str) -> str:
    """A UTF-8 file's text; UserError, naming `what` the file is, for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets begin theirs with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{what} must be a text file (UTF-8), cannot read {path}: {error}"
        ) from error
