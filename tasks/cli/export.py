"""`backbones export-weights`: the weights of a run for use elsewhere.  Imports nothing heavy."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.cli.command import Command
from tasks.cli.registry import saved_task
from tasks.engine.run_files import find_checkpoint
from tasks.files import check_writable

CHECKPOINT, WEIGHTS = ".pt", ".safetensors"


def strip_checkpoint(source: Path, target: Path) -> None:
    """Write a checkpoint with only the weights that are scored, without the optimiser's state.

    If there is a moving average, it is stored as the model.
    """
    from tasks.engine.checkpoint import Group, read_checkpoint, write_checkpoint

    saved = read_checkpoint(source)
    groups = {
        "model": Group.of(saved.weights()),
        "ema": Group.of(None),
        "optimizer": Group.of(None),
    }
    write_checkpoint(target, saved.progress, json.dumps(saved.metadata), groups)


def export_weights(source: Path, target: Path) -> str:
    """Write `target` (.pt or .safetensors) from a checkpoint; return the lines to print."""
    if target.suffix == CHECKPOINT:
        strip_checkpoint(source, target)
        note = f"use it like any checkpoint, or set model.weights={target}"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        note = saved_task(source).export(source, target)
    before, after = (file.stat().st_size / 1e6 for file in (source, target))
    return f"{source} ({before:.1f} MB) -> {target} ({after:.1f} MB)\n{note}"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="RUN",
        help="a run's folder (its best checkpoint), or a checkpoint file",
    )
    parser.add_argument(
        "out",
        metavar="OUT",
        type=Path,
        help=f"{CHECKPOINT}: a checkpoint without the state of training; {WEIGHTS}: the backbone"
        " with its passport, for load_backbone",
    )
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def _run(arguments: Namespace, _: ArgumentParser) -> None:
    out: Path = arguments.out
    if out.suffix not in (CHECKPOINT, WEIGHTS):
        raise UserError(f"OUT must end in {CHECKPOINT} or {WEIGHTS}, got {out}")
    source = find_checkpoint(Path(arguments.checkpoint))
    if out.exists() and out.samefile(source):
        raise UserError(f"OUT must be a different file from the checkpoint, got {out} for both")
    check_writable(out.parent)
    if out.exists() and not arguments.force:
        raise UserError(f"OUT must be a new file, got {out}, which exists; --force replaces it")
    print(export_weights(source, out))


COMMAND = Command(
    name="export-weights",
    summary="Write a run's scored weights to a small file.",
    details="Its ending decides: a checkpoint, or the backbone alone.",
    examples="""
backbones export-weights runs/quickstart detector.pt
backbones export-weights runs/quickstart backbone.safetensors
""",
    add_arguments=_add_arguments,
    run=_run,
)
