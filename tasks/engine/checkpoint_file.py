"""Read files that torch wrote without their tensors; distinguish damaged ones from other files."""

import re
import shlex
import zipfile
from pathlib import Path
from typing import Any

import torch

from resnet_backbones.errors import ZIP_DAMAGE, UserError
from tasks.engine.run_files import BEST, LAST


def load_mapped(file: Path) -> dict[str, Any]:
    """Load a file with its tensors mapped, not read; UserError for any other file."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except PermissionError:
        raise
    except Exception as error:  # foreign bytes may raise anything in torch's reader
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
    except ZIP_DAMAGE as error:
        raise UserError(damaged(file, str(error))) from error


def damaged(file: Path, what: str) -> str:
    """Report a damaged file, and the intact ones of its run."""
    numbered = _numbered(file.parent)
    others = [path for path in (file.with_name(LAST), *numbered) if path != file]
    resumable = next(filter(_is_whole, others), None)  # the latest
    best = file.with_name(BEST)
    whole = [] if best == file or not _is_whole(best) else [best]
    told = [path.name for path in (resumable, *whole) if path is not None]
    way_out = "use a copy, as no other checkpoint of its folder is intact"
    if told:
        way_out = f"{' and '.join(told)} beside it {'is' if len(told) == 1 else 'are'} intact"
    if resumable is not None and file.name != BEST:
        setting = shlex.quote(f"run.resume={resumable}")
        way_out += f": {setting} continues from there in another run.output_dir"
    elif whole:
        way_out += f": {shlex.quote(f'model.weights={best}')} starts from its weights"
    return f"the checkpoint {file} is damaged ({what}); {way_out}"


def _numbered(folder: Path) -> list[Path]:
    """List the step_N.pt of a folder, latest first."""
    numbers: dict[int, Path] = {}
    for path in folder.glob("step_*.pt"):
        found = re.fullmatch(r"step_(\d+)\.pt", path.name)
        if found:
            numbers[int(found[1])] = path
    return [numbers[number] for number in sorted(numbers, reverse=True)]


def _is_whole(file: Path) -> bool:
    """Whether every part of an archive has its checksum."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.testzip() is None
    except ZIP_DAMAGE:
        return False


def _was_whole_once(file: Path) -> bool:
    """Whether an unreadable file has a checkpoint's name, or is an archive that is damaged."""
    if not file.is_file():
        return False
    if has_a_name_of_ours(file):
        return True
    with file.open("rb") as stream:
        if stream.read(2) != b"PK":
            return False
    return not _is_whole(file)


def has_a_name_of_ours(file: Path) -> bool:
    """Whether a file has the name of a checkpoint of training."""
    return re.fullmatch(rf"{LAST}|{BEST}|step_\d+\.pt", file.name) is not None
