"""What all ranks agree on before a run begins: the checkpoint that is resumed, the arithmetic."""

from dataclasses import replace
from pathlib import Path

from tasks.engine.checkpoint import Checkpoint, read_checkpoint
from tasks.engine.distributed import World
from tasks.engine.precision import Precision
from tasks.engine.resuming import path_to_resume
from tasks.engine.run_lock import RunLock
from tasks.engine.settings import RunConfig
from tasks.engine.shared_folder import refuse_different_folders, refuse_unshared
from tasks.files import check_writable


def read_resumed(run: RunConfig, world: World, lock: RunLock) -> Checkpoint | None:
    """Read the checkpoint to resume on every rank, as rank 0 chooses; None for a new run.
    Collective.

    UserError for a folder that is not writable, used by another run, or not seen by all ranks.
    """
    folder = Path(run.output_dir)
    with world.sharing_errors():
        if world.is_main:
            check_writable(folder)
        lock.check()
        path = path_to_resume(run)
    path, is_there = world.broadcast((path, folder.is_dir()))
    if is_there:
        refuse_unshared(folder, world)
    with world.sharing_errors():
        resumed = None if path is None else read_checkpoint(path)
    refuse_different_folders(folder, resumed, world)
    return resumed


def choose_precision(config: RunConfig, resumed: Checkpoint | None, world: World) -> Precision:
    """Resolve run.precision; a resumed run keeps its first choice, as a timing may differ."""
    kept = None if resumed is None else resumed.metadata.get("precision")
    if config.precision != "auto" or kept not in ("bf16", "fp32"):
        return Precision.agreed(config.precision, world)
    return replace(Precision.agreed(kept, world), reason="as the run began")
