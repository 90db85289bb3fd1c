"""Describe a weights file."""

import json
from dataclasses import dataclass
from typing import Any

from resnet_backbones.errors import UserError
from resnet_backbones.from_file import WAY_OUT, count_classes
from resnet_backbones.weights.files import Source, read_file
from resnet_backbones.weights.loading import COUNTER
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.recognition import identify, stated_spec
from resnet_backbones.weights.sources import local_file
from resnet_backbones.zoo.catalogue import PREFIX, PublishedWeights, find_weights


@dataclass(frozen=True)
class FileDescription:
    """Facts about a weights file by name, without unknown ones."""

    facts: dict[str, Any]

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.facts, indent=1)

    def __str__(self) -> str:
        width = max(len(name) for name in self.facts)
        return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in self.facts.items())


def describe_file(file: str) -> FileDescription:
    """Describe a file: its passport, or the recognised and assumed one, and how to load it; for
    `ours:NAME` its scores too.

    UserError for a file that is damaged or holds no tensors.
    """
    found = read_file(local_file(file))
    facts: dict[str, Any] = {"file": file}
    if file.startswith(PREFIX):
        facts |= _published_facts(find_weights(file))
    try:
        _, passport = identify(found, file, WAY_OUT)
        facts |= {"passport": "assumed from the tensors" if passport.assumed else "in the file"}
        facts |= _facts(passport)
        classes = count_classes(found.tensors, stated_spec(passport))
        call = "load_backbone" if classes is None else "load_classifier"
        facts |= {} if classes is None else {"classes": classes}
        facts["load with"] = f"resnet_backbones.{call}({file!r})"
    except UserError as error:
        if found.passport is not None:
            facts |= {"passport": "in the file", **_facts(found.passport)}
        facts["load with"] = f"none of the registered networks as it is: {error}"
    facts |= _counts(found)
    return FileDescription({name: value for name, value in facts.items() if value not in ("", {})})


def _published_facts(entry: PublishedWeights) -> dict[str, Any]:
    figures = [f"{name} {100 * value:.2f} %" for name, value in entry.figures.items()]
    return {"figures": ", ".join(figures), "trained by": entry.command}


def _facts(passport: Passport) -> dict[str, Any]:
    test = [f"shorter side {passport.resize_size}"] if passport.resize_size else []
    test += [f"crop {passport.crop_size}"] if passport.crop_size else []
    test += [passport.interpolation] if passport.interpolation else []
    return {
        "architecture": passport.architecture,
        "input": str(passport),
        "test images": ", ".join(test),
        "stride in": f"{passport.stride_in} convolution",
        "pool": passport.pool,
        "options": passport.options,
        "norm eps": passport.norm_eps,
        "adapted": passport.adapted,
        "source": passport.source,
        "recipe": passport.recipe,
        "licence": passport.licence,
        "named classes": len(passport.label_map) or "",
        "written by": f"resnet-backbones {passport.library_version}"
        if passport.library_version
        else "",
        "commit": passport.commit,
        "unknown fields": passport.extra,
    }


def _counts(found: Source) -> dict[str, Any]:
    return {
        "content hash": "verified" if found.hashed else "none in the file",
        "tensors": len(found.tensors),
        "parameters": sum(
            tensor.numel()
            for name, tensor in found.tensors.items()
            if not name.endswith(("running_mean", "running_var", COUNTER))
        ),
        "note": "; ".join(found.notes),
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={entry!r}" for name, entry in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)
