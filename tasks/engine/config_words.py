"""Settings from the words of a command line. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.engine.config import Config, load_config


def config_of_words(cls: type[Config], words: Sequence[str]) -> Config:
    """Load settings from the words of a command line: a data set's folder or a settings file, and
    overrides. UserError for more than one folder or file.
    """
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    paths = [word for word in words if word not in overrides]
    if len(paths) > 1:
        raise UserError(f"give a folder, or one settings file; got {', '.join(paths)}")
    if paths and not Path(paths[0]).is_file():
        folder = f'data.root="{paths[0]}"'  # in quotes it is a text, whatever its name
        return load_config(cls, None, [folder, *overrides])
    return load_config(cls, paths[0] if paths else None, overrides)
