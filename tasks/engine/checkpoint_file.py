"""Files that torch wrote, read without their tensors; damaged ones are told from other files."""

import re
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.errors import UserError
from tasks.engine.run_files import BEST, LAST


def load_mapped(file: Path) -> dict[str, Any]:
    """A file's content with its tensors mapped, not read; UserError for what is no such file."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except PermissionError:
        raise
    except Exception as error:  # whatever foreign bytes make torch's reader stumble over
        if _was_whole_once(file):
            raise UserError(damaged(file, "it cannot be read")) from error
        what = f"which torch cannot read as tensors and JSON ({type(error).__name__})"
        rule = "a checkpoint must be a file that training wrote"
        raise UserError(f"{rule}, got {file}, {what}") from error
    if not isinstance(content, dict):
        rule = "a checkpoint must be a file that training wrote"
        raise UserError(f"{rule}, got a {type(content).__name__} in {file}")
    return content


def check_archive(file: Path, name: str | None = None) -> None:
    """Compare the parts of a zip archive, or the one that ends in `name`, with their checksums."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.namelist() if name is None or one.endswith(name)]
            for member in members:
                archive.read(member)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise UserError(damaged(file, str(error))) from error


def damaged(file: Path, what: str) -> str:
    """What to tell of a damaged file, and which others of its run there are."""
    siblings = sorted(path for path in file.parent.glob("*.pt") if path != file)
    numbered: dict[int, Path] = {}
    for path in siblings:
        found = re.fullmatch(r"step_(\d+)\.pt", path.name)
        if found:
            numbered[int(found[1])] = path
    way_out = "use a copy"
    if file.name == LAST and numbered:
        copy = shlex.join(["cp", str(numbered[max(numbered)]), str(file)])
        way_out = f"`{copy}` goes back to an earlier state"
    elif siblings:
        way_out = f"use a copy or {', '.join(path.name for path in siblings)} beside it"
    return f"the checkpoint {file} is damaged ({what}); {way_out}"


def _was_whole_once(file: Path) -> bool:
    """Whether an unreadable file has a checkpoint's name, or is an archive that is damaged."""
    if not file.is_file():
        return False
    if has_a_name_of_ours(file):
        return True
    with file.open("rb") as stream:
        if stream.read(2) != b"PK":
            return False
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is not None
    except zipfile.BadZipFile:
        return True


def has_a_name_of_ours(file: Path) -> bool:
    """Whether a file is called as training calls its checkpoints."""
    return re.fullmatch(rf"{LAST}|{BEST}|step_\d+\.pt", file.name) is not None
