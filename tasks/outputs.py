"""Check who owns the files that a command is about to write: the user, or the command.

A folder that a command writes to holds `.backbones.jsonl`, a line for each file that was written:
its name, size, time of writing and SHA-256, the command, and its settings. An existing file that
differs from its line is the user's, also if we wrote it and it was changed. Imports no torch.
"""

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.files import check_writable, listing, writing

LIST = ".backbones.jsonl"
EVALUATION = "eval"
"""The command that makes an evaluation and its report; `report` makes the report again."""
_RUN = ("metrics.jsonl", "last.pt", "best.pt", "environment.json")
_OF_A_RUN = (
    "evaluation.json",
    "detections.json",
    "predictions.csv",
    "pixels.npz",
    "report.html",
)
"""Files of a training, which keeps no list, and of evaluations from before there were lists."""


@dataclass(frozen=True)
class Entry:
    """A line of a list."""

    name: str
    size: int
    time: int  # time of the last change, in nanoseconds
    sha256: str
    by: str
    settings: str = ""

    @classmethod
    def of(cls, file: Path, name: str, by: str, settings: str) -> "Entry":
        """Make the line of a file that was just written and will get a name."""
        stat = file.stat()
        return cls(name, stat.st_size, stat.st_mtime_ns, _digest(file), by, settings)

    def is_of(self, file: Path) -> bool:
        """Whether a file is the one that was written, or a copy of it."""
        stat = file.stat()
        if stat.st_size != self.size:
            return False
        return stat.st_mtime_ns == self.time or _digest(file) == self.sha256


@dataclass
class _Lists:
    """The lists of folders, each read once."""

    read: dict[Path, dict[str, list[Entry]]] = field(default_factory=dict)

    def entry(self, file: Path) -> Entry | None:
        """Find the line of an unchanged file; None for a file of the user, or no file."""
        if not file.is_file():
            return None
        if file.parent not in self.read:
            self.read[file.parent] = _read_list(file.parent / LIST)
        entries = self.read[file.parent].get(file.name, [])
        return next((entry for entry in reversed(entries) if entry.is_of(file)), None)

    def writer(self, file: Path) -> str | None:
        """Find the command that wrote an unchanged file; None for a file of the user."""
        if file.name in _OF_A_RUN and _keeps_no_list(file.parent):
            return EVALUATION
        entry = self.entry(file)
        return None if entry is None else entry.by


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The files that a command writes at places chosen by the user."""

    by: str
    """The command's name."""
    settings: str = ""
    """Settings that decide what it writes, besides its inputs."""
    force: bool = False
    """Whether files of the user are replaced."""
    inputs: tuple[Path, ...] = ()
    """Files that the command reads, and folders of them."""
    endings: tuple[str, ...] = ()
    """Endings of the user's files that `force` replaces; () for any."""
    keeps_others: bool = False
    """Whether files that the command wrote with other settings are refused like a user's files."""

    def reading(self, *inputs: Path) -> "Outputs":
        """The same with further inputs."""
        return replace(self, inputs=(*self.inputs, *inputs))

    def claim(self, *files: Path) -> None:
        """Raise UserError if a file must not be written: it is read, it is the user's, or its
        folder is not writable. Touches nothing.
        """
        lists = _Lists()
        for file in files:
            self._check(file, lists)
        if self.keeps_others and not self.force:
            self._refuse_others(files)
        for folder in dict.fromkeys(file.parent for file in files):
            check_writable(folder)

    @contextmanager
    def owning(self, *files: Path) -> Iterator[None]:
        """Context that checks files first, and lists those that are written in it."""
        self.claim(*files)
        before = {file: _stamp(file) for file in files}

        def hear(partial: Path, file: Path) -> None:
            if file in before:
                self._list(partial, file)
                before[file] = _stamp(partial)

        with listing(hear):
            yield
        for file, stamp in before.items():  # files that a library wrote by itself
            if _stamp(file) not in (None, stamp):
                self._list(file, file)

    def notes(self, file: Path) -> list[str]:
        """Write the note for files of other settings that the command is about to replace."""
        others = self._others([file])
        return [f"note: {file} of {old} is replaced; --out FOLDER keeps both" for _, old in others]

    def _list(self, written: Path, file: Path) -> None:
        """Add a file to the list of its folder, under its name; its content is at `written`."""
        entry = Entry.of(written, file.name, self.by, self.settings)
        path = file.parent / LIST
        with writing(path), path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(entry)) + "\n")

    def _others(self, files: Iterable[Path]) -> list[tuple[Path, str]]:
        """Find the files that this command wrote with other settings, with those settings."""
        lists = _Lists()
        found: list[tuple[Path, str]] = []
        for file in files:
            entry = lists.entry(file)
            if entry is not None and entry.by == self.by and entry.settings != self.settings:
                found.append((file, entry.settings))
        return found

    def _refuse_others(self, files: Iterable[Path]) -> None:
        for file, settings in self._others(files):
            rule = f"{file} is to be made with {self.settings}"
            seen = f"but exists already, made with {settings}"
            raise UserError(f"{rule}, {seen}; choose another --out, or --force")

    def _check(self, file: Path, lists: _Lists) -> None:
        if not os.path.lexists(file):
            return
        if not file.is_file():
            seen = "a folder" if file.is_dir() else "a broken link or a device"
            raise UserError(f"{file} must be a file to write, but it is {seen}; choose another")
        writer = lists.writer(file)
        if _is_among(file, self.inputs, is_ours=writer == self.by):
            rule = f"{file} must not be read and written by one command"
            raise UserError(f"{rule}, but it is both; choose another place for the output")
        replaceable = not self.endings or file.suffix.lower() in self.endings
        if writer == self.by or (self.force and replaceable):
            return
        whose = "was not written by this command"
        if writer is not None:
            whose = f"was written by `{writer}`"
        rule = f"{file} must be unused, or unchanged since this command wrote it"
        way_out = "choose another place"
        if replaceable:
            way_out += ", or --force replaces it"
        raise UserError(f"{rule}, but it {whose}; {way_out}")


PREDICT = Outputs(by="predict", keeps_others=True)
"""Return the outputs of predictions that are made without a command."""


def evaluation_outputs(
    source: str | Path, overrides: Sequence[str], force: bool, inputs: Sequence[str | None]
) -> Outputs:
    """Return the outputs of an evaluation of a checkpoint or weights with overrides. It also reads
    the `inputs` that are files.
    """
    read = [Path(given) for given in (source, *inputs) if given is not None]
    return Outputs(
        by=EVALUATION,
        force=force,
        inputs=tuple(path for path in read if path.is_file()),
        settings=shlex.join([str(source), *overrides]),
    )


def _read_list(file: Path) -> dict[str, list[Entry]]:
    """Read the entries of a list by name; an incomplete line is skipped."""
    entries: dict[str, list[Entry]] = {}
    for line in file.read_bytes().split(b"\n") if file.is_file() else []:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):  # the file that it would name is the user's
            continue
        entries.setdefault(entry.name, []).append(entry)
    return entries


def _keeps_no_list(folder: Path) -> bool:
    """Whether a folder is that of a training, or an evaluation from before there were lists."""
    if (folder / "config.yaml").is_file() and any((folder / name).exists() for name in _RUN):
        return True
    return not (folder / LIST).exists() and _holds_scores(folder / "evaluation.json")


def _holds_scores(file: Path) -> bool:
    """Whether a file is an evaluation.json as we write it."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("scores"), dict)


def _is_among(file: Path, inputs: Iterable[Path], *, is_ours: bool) -> bool:
    """Whether a file is one of the inputs, or a user's file in a folder of them."""
    for given in inputs:
        if given.is_file() and file.samefile(given):
            return True
        inside = given.is_dir() and file.resolve().is_relative_to(given.resolve())
        if inside and not is_ours:
            return True
    return False


def _stamp(file: Path) -> tuple[int, int] | None:
    """Return what distinguishes a file from its replacement; None if there is no file."""
    if not file.exists():
        return None
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
