"""Training checkpoints: tensors and JSON only, written beside and renamed, with digests.

A file holds texts (progress, metadata) and groups of tensors (model, ema, optimizer). The texts are
read without the tensors. The tensors' bytes are mapped into memory and read when they are used,
after comparison with their digest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from resnet_backbones.errors import UserError
from tasks.engine.checkpoint_content import (
    other_format,
    refuse_odd_optimizer,
    refuse_odd_weights,
    restore_optimizer,
)
from tasks.engine.checkpoint_file import check_archive, damaged, has_a_name_of_ours, load_mapped
from tasks.engine.digest import digest_of
from tasks.engine.optim import Ema
from tasks.engine.progress import Progress
from tasks.engine.run_files import BEST, LAST, find_checkpoint
from tasks.errors import few
from tasks.files import AtomicFile

FORMAT = 2
GROUPS = ("model", "ema", "optimizer")


@dataclass(frozen=True)
class Group:
    """A group of tensors on the CPU, or None, with its digest."""

    value: Any
    digest: str

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> "Group":
        """Bring a state dict to the CPU."""
        value = None if state is None else tree_map(_on_cpu, dict(state))
        return cls(value, digest_of(value))


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file with its texts; tensors are read on first use."""

    path: Path
    progress: Progress
    metadata: dict[str, Any]
    """Given by the task: task, config, label_map, passport, precision; and the number of
    threads."""
    content: Mapping[str, Any]
    digests: Mapping[str, str] | None
    """Digest of each group; None in files of version 0.1.0, whose zip archive has checksums."""

    @property
    def step(self) -> int:
        """Finished optimiser steps."""
        return self.progress.step

    @cached_property
    def model(self) -> dict[str, Tensor]:
        """`state_dict()` of the trained model, on the CPU; UserError if it is not finite."""
        group = self._checked("model")
        if group is None:
            raise UserError(damaged(self.path, "it has no weights"))
        return group

    @cached_property
    def ema(self) -> dict[str, Tensor] | None:
        """Its moving average, if the run kept one."""
        return self._checked("ema")

    @cached_property
    def optimizer(self) -> dict[str, Any]:
        """State of the optimiser; UserError for a file that holds none, such as best.pt."""
        group = self._checked("optimizer")
        if group is None:
            rule = "a run is resumed from a checkpoint with the optimiser's state"
            way_out = f"start from its weights: model.weights={self.path}"
            raise UserError(f"{rule}, got {self.path}, which has none; {way_out}")
        return group

    @property
    def has_ema(self) -> bool:
        """Whether the file holds a moving average."""
        return self.content["ema"] is not None

    @property
    def is_resumable(self) -> bool:
        """Whether the file holds the optimiser's state."""
        return self.content["optimizer"] is not None

    def weights(self) -> dict[str, Tensor]:
        """The weights to use: the moving average if there is one, as that was scored."""
        return self.model if self.ema is None else self.ema

    def digest(self, group: str) -> str:
        """SHA-256 of a group of tensors with their names."""
        if self.digests is None:
            return digest_of(self.content[group])
        return self.digests[group]

    def _checked(self, group: str) -> dict[str, Any] | None:
        """Return a group of tensors after checking its digest; UserError for a damaged one."""
        if self.digests is None:
            check_archive(self.path)
        elif digest_of(self.content[group]) != self.digests.get(group):
            raise UserError(damaged(self.path, f"its {group} differs from what was saved"))
        value: dict[str, Any] | None = self.content[group]
        if value is None:
            return None
        if group == "optimizer":
            refuse_odd_optimizer(value, self.path)
        else:
            refuse_odd_weights(value, group, self.path)
        return value


class Checkpoints:
    """The checkpoint files of one run; `metadata` goes into each of them."""

    def __init__(
        self,
        output_dir: str | Path,
        metadata: Mapping[str, Any],
        resumed: Checkpoint | None = None,
    ) -> None:
        self.folder = Path(output_dir)
        self.metadata = json.dumps(metadata)  # fails here, not at the first save, if it is not JSON
        self.resumed = resumed

    def save(
        self,
        names: tuple[str, ...],
        progress: Progress,
        model: nn.Module,
        ema: Ema | None,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Write the run's state to each of the named files of its folder; call it on rank 0 only.

        The best checkpoint is for use, not for resuming: it holds no state of the optimiser.
        """
        metadata = json.dumps(json.loads(self.metadata) | {"threads": torch.get_num_threads()})
        groups = {
            "model": Group.of(model.state_dict()),
            "ema": Group.of(None if ema is None else ema.model.state_dict()),
            "optimizer": Group.of(optimizer.state_dict()),
        }
        for name in names:
            stripped = {"optimizer": Group.of(None)} if name == BEST else {}
            write_checkpoint(self.folder / name, progress, metadata, groups | stripped)

    def restore(
        self, model: nn.Module, ema: Ema | None, optimizer: torch.optim.Optimizer
    ) -> Progress:
        """Load the resumed checkpoint into the run's parts; a new Progress without one.

        UserError for a checkpoint of another network, or if only one of checkpoint and run has a
        moving average.
        """
        saved = self.resumed
        if saved is None:
            return Progress()
        if saved.has_ema != (ema is not None):
            raise UserError(f"optim.ema_decay must stay null or set when {saved.path} is resumed")
        load_weights(model, saved.model, saved.path)
        if ema is not None and saved.ema is not None:
            load_weights(ema.model, saved.ema, saved.path)
        restore_optimizer(optimizer, saved.optimizer, saved.path)
        return saved.progress


def write_checkpoint(
    path: Path, progress: Progress, metadata: str, groups: Mapping[str, Group]
) -> None:
    """Write a checkpoint file of the metadata (JSON) and the groups in `GROUPS`."""
    texts = {"progress": progress.to_json(), "metadata": metadata}
    digests = {"texts": digest_of(texts)}
    digests |= {name: group.digest for name, group in groups.items()}
    content = {"format": FORMAT, "digests": json.dumps(digests), **texts}
    content |= {name: group.value for name, group in groups.items()}
    with AtomicFile(path) as file:
        torch.save(content, file)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Open a checkpoint file, or a run folder's best checkpoint, or its last one if none was
    scored; UserError for a damaged file and for anything that is not a checkpoint.
    """
    file = find_checkpoint(Path(path))
    content = load_mapped(file)
    version = content.get("format")
    if version == 1:
        check_archive(file, "data.pkl")
    elif version != FORMAT:
        rule = f"a checkpoint must be of format {FORMAT} or 1"
        seen, way_out = other_format(content)
        raise UserError(f"{rule}, got {seen} in {file}; {way_out}")
    digests, progress, metadata = _read_texts(file, content, has_digests=version == FORMAT)
    return Checkpoint(file, progress, metadata, content, digests)


def _read_texts(
    file: Path, content: Mapping[str, Any], *, has_digests: bool
) -> tuple[dict[str, str] | None, Progress, dict[str, Any]]:
    """Read digests, progress and metadata; UserError if training did not write them."""
    missing = [name for name in ("progress", "metadata", *GROUPS) if name not in content]
    if missing:
        raise UserError(damaged(file, f"it has no {few(missing)}"))
    try:
        digests = json.loads(content["digests"]) if has_digests else None
        texts = {name: content[name] for name in ("progress", "metadata")}
        if digests is not None and digests["texts"] != digest_of(texts):
            raise ValueError("its metadata differ from what was saved")
        progress = Progress.from_json(texts["progress"])
        metadata = json.loads(texts["metadata"])
        if not isinstance(metadata, dict):
            raise ValueError(f"its metadata are {metadata!r:.60}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        what = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise UserError(damaged(file, what)) from error
    return digests, progress, metadata


def is_checkpoint(path: str | Path) -> bool:
    """Whether a path is a checkpoint file or a run's folder, not bare weights or a missing path."""
    path = Path(path)
    if path.is_dir():
        return any((path / name).is_file() for name in (BEST, LAST))
    try:
        content = load_mapped(path)
    except UserError:  # reading it will report the error
        return path.is_file() and has_a_name_of_ours(path)
    return {"format", "progress", "metadata"} <= content.keys()


def load_weights(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a whole state dict; UserError, naming the file, for one of another network."""
    own = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in state.items()}
    names = [name for name in {**own, **given} if own.get(name) != given.get(name)]
    if names:
        shapes = [
            f"{name} {given.get(name, 'missing')} for {own.get(name, 'none')}" for name in names
        ]
        rule = f"{path} must hold the weights of this network"
        seen = f"{len(names)} tensors do not fit: {few(shapes, 3)}"
        way_out = "keep the model.* settings that it was trained with"
        raise UserError(f"{rule}, but {seen}; {way_out}")
    module.load_state_dict(state)


def _on_cpu(leaf: Any) -> Any:
    return leaf.detach().cpu() if isinstance(leaf, Tensor) else leaf
