"""Stopping a run from outside: SIGTERM and SIGINT ask for it, and the command that resumes is
printed.
"""

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType

from tasks.engine.distributed import World

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Context in which SIGTERM and SIGINT are remembered instead of obeyed.

    A second Ctrl-C stops a single process at once; under torchrun it is ignored, as torchrun itself
    repeats signals.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.received: int | None = None
        self.process = os.getpid()

    def __enter__(self) -> "StopRequest":
        self.previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        repeated = self.received is not None
        self.received = number
        if os.getpid() != self.process:  # a loader process that inherited this handler
            return
        if repeated and number == signal.SIGINT and self.world.size == 1:
            raise KeyboardInterrupt
        if not repeated and self.world.is_main:
            os.write(
                2, b"\nstopping: the step is finished and saved first\n"
            )  # print is not safe in a handler

    def agreed(self) -> bool:
        """Whether any rank was asked to stop; every rank must ask at the same point of the step."""
        return self.world.any(self.received is not None)

    @property
    def exit_code(self) -> int:
        """128 plus the signal, as shells report it; SIGTERM's for a rank that received none."""
        return 128 + (self.received or signal.SIGTERM)


def resume_command(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The command line that continues this run, from `sys.orig_argv` and the environment that
    torchrun set.
    """
    kept = [argument for argument in arguments if not argument.startswith("run.resume=")] + [
        "run.resume=auto"
    ]
    if "TORCHELASTIC_RUN_ID" not in environment:
        return shlex.join(kept)
    launcher = [
        kept[0],
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        environment["LOCAL_WORLD_SIZE"],
    ]
    if environment.get("GROUP_WORLD_SIZE", "1") != "1":
        launcher += [
            "--nnodes",
            environment["GROUP_WORLD_SIZE"],
            "--node-rank",
            environment["GROUP_RANK"],
        ]
        launcher += [
            "--master-addr",
            environment["MASTER_ADDR"],
            "--master-port",
            environment["MASTER_PORT"],
        ]
    else:
        launcher.append("--standalone")  # takes a free port
    script = [
        argument for argument in kept[1:] if argument != "-u"
    ]  # torchrun starts `python -u script …`
    return shlex.join(launcher + script)
