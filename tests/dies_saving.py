"""Run a tool and kill it in the middle of writing its n-th checkpoint: `dies_saving.py N TOOL
ARGUMENT…`.
"""

import io
import itertools
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import IO

import torch

write, counter = torch.save, itertools.count(1)
fatal, sys.argv = int(sys.argv[1]), sys.argv[2:]


def write_or_die(content: object, file: IO[bytes]) -> None:
    if next(counter) < fatal:
        write(content, file)
        return
    whole = io.BytesIO()
    write(content, whole)
    file.write(whole.getvalue()[: whole.tell() // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)


torch.save = write_or_die  # type: ignore[assignment]
sys.path[0] = str(Path(sys.argv[0]).parent)  # as where the tool is started by itself
runpy.run_path(sys.argv[0], run_name="__main__")
