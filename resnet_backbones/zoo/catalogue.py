"""Weights that come with the library, by name.  Imports no torch."""

import hashlib
import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from resnet_backbones.errors import UserError

PREFIX = "ours:"
"""Beginning of their names where weights are asked for."""
FOLDER = Path(__file__).parent
LIST = "zoo.json"


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """A file of weights that comes with the library; its passport holds the rest."""

    name: str
    """`ours:` and this name loads it."""
    file: str
    """File name in the library's folder."""
    sha256: str
    """SHA-256 of the file's bytes."""
    architecture: str
    """Registered backbone name."""
    classes: int | None
    """Number of classes of its head; None for a backbone alone."""
    licence: str
    """Licence of the weights."""
    figures: dict[str, float] = field(hash=False)
    """Scores by name, 0–1."""
    command: str
    """Command that trained the weights."""


def list_weights() -> tuple[PublishedWeights, ...]:
    """List the weights that come with the library; `weights="ours:NAME"` loads them."""
    return read_list(FOLDER)


def read_list(folder: Path) -> tuple[PublishedWeights, ...]:
    """The entries of a folder's list."""
    entries = json.loads((folder / LIST).read_text(encoding="utf-8"))
    return tuple(PublishedWeights(**entry) for entry in entries)


def find_weights(source: str) -> PublishedWeights:
    """The entry of `ours:NAME`; UserError, with all names and the nearest, for an unknown one."""
    known = {f"{PREFIX}{entry.name}": entry for entry in list_weights()}
    if source in known:
        return known[source]
    near = get_close_matches(source, known, n=3, cutoff=0.7)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    names = ", ".join(known) or "a file, torchvision:… or timm:…, as none come with this version"
    raise UserError(f"weights must be {names}, got {source!r}{hint}")


def published_file(source: str) -> Path:
    """The file of `ours:NAME`; UserError if it is missing or changed."""
    entry = find_weights(source)
    path = FOLDER / entry.file
    seen = file_hash(path) if path.is_file() else "no file"
    if seen != entry.sha256:
        raise UserError(
            f"weights {source} must be {path} with SHA-256 {entry.sha256}, got {seen}; install"
            " resnet-backbones again"
        )
    return path


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
