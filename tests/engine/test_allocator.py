"""Freed memory stays with the process, where glibc can be told so."""

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
from tasks.engine.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import torch
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    for _ in range(10):
        torch.ones(16 << 20)
# the first blocks have to come from the system, a dozen until there are holes of every alignment
for _ in range(3):
    step()
before = faults()
step()
print(faults() - before)
"""


def count_faults(how: str) -> int:
    """Page faults of ten tensors of 64 MB, each freed before the next is made, after 30 that do not
    count.
    """
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_blocks_are_used_again_without_page_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    assert count_faults("keep") < count_faults("plain") / 10


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD"])
def test_what_the_user_chose_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.engine.allocator import keep_freed_memory

    monkeypatch.setenv(name, "")
    assert not keep_freed_memory()
