"""How a command ends: an exit status, and one line for an error that the user can correct.

Any other error is our bug and keeps its traceback.  Imports nothing heavy.
"""

import errno
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from resnet_backbones.errors import UserError, as_line

FAILED = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
UNREAD = 141
"""128 + SIGPIPE."""
DEAD_WORKER = "DataLoader worker"
"""How the error begins that torch raises at any place in the program."""
_TOO_MANY = ("Too many open files", "received 0 items of ancdata")
_NO_MEMORY = "Cannot allocate memory"
_GLOO = "gloo/transport"
TRAIN_EXTRA = {
    "PIL",
    "albumentations",
    "hotcoco",
    "matplotlib",
    "msgspec",
    "numpy",
    "omegaconf",
    "pycocotools",
    "shtab",
    "tensorboard",
    "timm",
    "torchvision",
    "tqdm",
    "yaml",
}
"""Modules that the extra `train` brings."""


def finish(action: Callable[[], int | None]) -> int:
    """Run it; return the exit status, after a line on stderr if something went wrong."""
    try:
        with warnings_for_people():
            status = action() or 0
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return UNREAD
        line = explanation(error)
        if line is None:
            raise
        print(f"error: {' '.join(line.split())}", file=sys.stderr)
        return FAILED


def _nobody_reads() -> bool:
    """Whether the reader of our output, such as `head`, has ended."""
    if not hasattr(select, "poll"):  # Windows
        return False
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # errors are always printed
    if not output.poll(0):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # Python flushes once more at its end
    return True


def explanation(error: Exception) -> str | None:
    """Return the line to print for an error; None if it is our bug."""
    if isinstance(error, UserError):
        return str(error)
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and missing in TRAIN_EXTRA:
        way_out = "pip install 'resnet-backbones[train]'"
        return f"this command needs more packages: {way_out} (no module named {missing!r})"
    if _is_of_open_files(error):
        way_out = "`ulimit -n 4096` before the command allows more; lower data.workers needs fewer"
        return f"a process must be allowed enough open files, got: {error}; {way_out}"
    if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
        rule = "data and computation must fit into memory, got"
        sizes = "lower data.workers, data.batch_size or the size of the images"
        return f"{rule}: {str(error) or 'none left'}; {sizes}, or allow more memory"
    if isinstance(error, RuntimeError) and _GLOO in str(error):
        rule = "all ranks of a run must live as long as it, and one has ended or does not answer"
        way_out = "its own lines say why; run.resume=auto continues a training"
        return f"{rule}, got: {str(error).splitlines()[0]}; {way_out}"
    if isinstance(error, RuntimeError) and str(error).startswith(DEAD_WORKER):
        rule = f"processes that read images must live as long as the run, got: {error}"
        way_out = "lower data.workers or data.batch_size, or allow more memory or /dev/shm"
        return f"{rule}; if memory ran out, {way_out}; run.resume=auto continues a training"
    return as_line(error)


def _is_of_open_files(error: Exception) -> bool:
    """Whether a process has reached the limit of its open files."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TOO_MANY)


@contextmanager
def warnings_for_people() -> Iterator[None]:
    """Context in which our own warnings are one line each, and only on the first rank."""
    with warnings.catch_warnings():
        # torch says so if NumPy is not installed; commands that run without it do not need it
        warnings.filterwarnings("ignore", "Failed to initialize NumPy")
        show_others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category.__module__.partition(".")[0] not in ("tasks", "resnet_backbones"):
                show_others(message, category, filename, lineno, file, line)
            elif os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0":
                print(f"warning: {message}", file=sys.stderr)

        warnings.showwarning = show
        yield
