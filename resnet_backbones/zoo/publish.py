"""Add weights to those that come with the library; for its maintainers."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from resnet_backbones.errors import UserError
from resnet_backbones.from_file import count_classes
from resnet_backbones.weights.files import read_file
from resnet_backbones.weights.passport import Passport
from resnet_backbones.weights.recognition import stated_spec
from resnet_backbones.weights.saving import save_weights
from resnet_backbones.zoo.catalogue import (
    LIST,
    PREFIX,
    PublishedWeights,
    file_hash,
    read_list,
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts about published weights, besides those of their passport."""

    licence: str
    """Licence of the weights, and of the data if that matters."""
    data: str
    """Data of training and scoring, in a sentence."""
    figures: Mapping[str, float]
    """Scores by name, 0–1."""
    command: str
    """Command that trained them."""


def publish(file: str | Path, name: str, card: Card, folder: Path) -> PublishedWeights:
    """Write a file's weights into the folder, in fp32, with a card and an entry in its list; those
    of the same name are replaced.

    UserError for a file without a passport, and for a name that is not ARCHITECTURE.TAG.
    """
    found = read_file(Path(file))
    if found.passport is None:
        raise UserError(f"weights to publish must have a passport, got {file}, which has none")
    passport = found.passport
    _check_name(name, passport)
    target = folder / f"{name}.safetensors"
    tensors = {key: x.float() if x.is_floating_point() else x for key, x in found.tensors.items()}
    save_weights(target, tensors, passport, commit=passport.commit)
    entry = PublishedWeights(
        name=name,
        file=target.name,
        sha256=file_hash(target),
        architecture=passport.architecture,
        classes=count_classes(tensors, stated_spec(passport)),
        licence=card.licence,
        figures=dict(card.figures),
        command=card.command,
    )
    _add_to_list(entry, folder)
    text = _card_text(entry, card.data, passport)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    return entry


def _check_name(name: str, passport: Passport) -> None:
    architecture, _, tag = name.partition(".")
    if architecture != passport.architecture or not tag.replace("_", "").isalnum():
        rule = f"the name must be {passport.architecture}.TAG, a tag of letters, digits and _"
        raise UserError(f"{rule}, got {name!r}")


def _add_to_list(entry: PublishedWeights, folder: Path) -> None:
    entries = {other.name: other for other in read_list(folder)}
    entries[entry.name] = entry
    content = [asdict(entries[name]) for name in sorted(entries)]
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / LIST).write_text(text, encoding="utf-8")


def _card_text(entry: PublishedWeights, data: str, passport: Passport) -> str:
    """A page of Markdown about the weights."""
    call = "load_backbone" if entry.classes is None else "load_classifier"
    head = "a backbone alone" if entry.classes is None else f"{entry.classes} classes"
    figures = [f"{name} {100 * value:.2f} %" for name, value in entry.figures.items()]
    rows = {
        "Architecture": f"{entry.architecture}, {head}",
        "Data": data,
        "Figures": ", ".join(figures),
        "Input": str(passport),
        "Trained by": f"`{entry.command}`",
        "Licence": entry.licence,
        "SHA-256": f"`{entry.sha256}`",
    }
    table = [f"| {label} | {value} |" for label, value in rows.items()]
    lines = [
        f"# {entry.name}",
        "",
        "```python",
        f"from resnet_backbones import {call}",
        "",
        f'network = {call}("{PREFIX}{entry.name}")',
        "```",
        "",
        "| | |",
        "|---|---|",
        *table,
    ]
    return "\n".join(lines) + "\n"
