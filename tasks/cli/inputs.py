"""The inputs of `backbones predict`: files, folders, patterns, addresses, and standard input.

Inputs that are not files become files in OUT/inputs, so that results name files that exist.
Imports nothing heavy.
"""

import glob
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile
from tasks.outputs import PREDICT, Outputs

STDIN = "-"
FETCHED = "inputs"
"""Folder, below that of the results, for files from the network or standard input."""


@dataclass(frozen=True)
class Inputs:
    """Files to predict on."""

    images: tuple[Path, ...]
    """Image files, and folders of them."""
    videos: tuple[Path, ...]
    problems: tuple[str, ...]
    """A line for each address that could not be fetched."""

    def count_images(self) -> int:
        """How many image files there are."""
        from tasks.images import find_images

        return sum(len(find_images(source)) for source in self.images)


def read_list(words: Sequence[str], listed: str | None) -> list[str]:
    """Return the words, then the lines of a list of further words; `-` reads the list from
    standard input.  Raises UserError if there are none at all.
    """
    if listed is None:
        lines: Iterable[str] = ()
    elif listed == STDIN:
        lines = sys.stdin.read().splitlines()
    else:
        lines = Path(listed).read_text(encoding="utf-8").splitlines()
    found = [*words, *(line.strip() for line in lines if line.strip())]
    if not found:
        rule = "predictions are made of files, folders, patterns or addresses, got none"
        raise UserError(f"{rule}; name one, or give --from-list a list of them")
    return found


def check_words(words: Iterable[str]) -> None:
    """Raise UserError for a word that cannot mean an image; opens no file and asks no server."""
    from tasks.datasets.web_files import is_web_address
    from tasks.images import find_images

    for word in words:
        if word == STDIN:
            _check_stdin()
        elif "://" in word and not is_web_address(word):
            rule = "images are files, folders, or at http and https addresses"
            raise UserError(f"{rule}, got {word}; download it")
        elif "://" not in word:
            for path in _paths(word):
                find_images(path)


def gather(words: Iterable[str], folder: Path, *, private: bool, force: bool = False) -> Inputs:
    """Fetch remote inputs into a folder, and separate images from videos.

    Files of the user that are there are replaced by `force` alone.
    """
    from tasks.datasets.web_files import fetch_file
    from tasks.vision.video import is_video

    images: list[Path] = []
    videos: list[Path] = []
    problems: list[str] = []
    outputs = Outputs(by=PREDICT.by, force=force)
    fetch = partial(fetch_file, folder=folder, private=private, outputs=outputs)
    for path in _files(words, fetch, partial(_save_stdin, folder, outputs), problems):
        is_clip = path.is_file() and is_video(path)
        (videos if is_clip else images).append(path)
    return Inputs(_distinct(images), _distinct(videos), tuple(problems))


def _files(
    words: Iterable[str],
    fetch: Callable[[str], Path],
    save_stdin: Callable[[], Path],
    problems: list[str],
) -> Iterator[Path]:
    """Return the files and folders that words mean; add to problems if a fetch fails."""
    for word in words:
        if word == STDIN:
            yield save_stdin()
        elif "://" in word:
            try:
                yield fetch(word)
            except UserError as error:
                problems.append(str(error))
        else:
            yield from _paths(word)


def _paths(word: str) -> list[Path]:
    """Return a file or folder, or the sorted matches of a pattern that the shell did not expand."""
    path = Path(word).expanduser()
    if path.exists() or not glob.has_magic(word):
        return [path]
    from tasks.images import SUFFIXES
    from tasks.vision.video import is_video

    found = glob.glob(str(path), recursive=True)  # noqa: PTH207 - a pattern may be absolute
    matches = sorted(map(Path, found))
    files = [match for match in matches if match.is_file()]
    wanted = [file for file in files if file.suffix.lower() in SUFFIXES or is_video(file)]
    if not wanted:
        seen = f"{len(files)} other files do" if files else "nothing does"
        raise UserError(f"an image or a video must match {word}, but {seen}; correct the pattern")
    return wanted


def _check_stdin() -> None:
    if sys.stdin.isatty():
        rule = "an image must come through standard input, got a terminal"
        raise UserError(f"{rule}; backbones predict RUN - --out OUT < photo.jpg")


def _save_stdin(folder: Path, outputs: Outputs) -> Path:
    """Write the image from standard input to a file; raise UserError if it is not an image."""
    from tasks.images import opened

    content = sys.stdin.buffer.read()
    try:
        with opened(content) as image:
            ending = (image.stored.format or "image").lower()
    except UserError as error:
        rule = "standard input must be an image file"
        raise UserError(f"{rule}, got {error}; lists of files go to --from-list -") from error
    file = folder / f"stdin.{ending}"
    with outputs.owning(file), AtomicFile(file, lasting=False) as stream:
        stream.write(content)
    return file


def _distinct(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(paths))
