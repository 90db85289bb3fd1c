"""Files that appear complete or not at all.  Imports no torch."""

import os
from pathlib import Path
from typing import IO


class AtomicFile:
    """A file that appears under its name complete or not at all; used as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name}.partial")

    def __enter__(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self.partial.open("wb")
        return self.file

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:
            self.file.close()
            self.partial.unlink()
            return
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.partial, self.path)  # noqa: PTH105 - tests kill the process exactly here
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)  # makes the new name survive a power cut
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) that appears complete or not at all."""
    with AtomicFile(path) as file:
        file.write(text.encode())
