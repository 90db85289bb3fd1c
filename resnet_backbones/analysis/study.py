"""Compare the layer responses of networks: tables and a picture."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import torch
from torch import Tensor

from resnet_backbones.analysis.responses import Responses, measure_responses, write_csv
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.passport import PixelNormalizer

BACKWARD = "backward norm"
"""Title of the panel with a logarithmic axis."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def study_responses(
    names: Sequence[str],
    out: Path,
    *,
    images: Path | None = None,
    count: int = 16,
    size: int = 224,
    seed: int = 0,
) -> str:
    """Measure networks on the same pixels, write OUT/NAME/layers.csv, blocks.csv and
    OUT/responses.png, return tables.

    A name may bring weights, `resnet50=FILE`; without them the weights are random and batch norms
    use the images' statistics. `images` is a folder, of which the first `count` files by name are
    taken; None is uniform noise.
    """
    pixels = _noise(count, size, seed) if images is None else read_images(images, count, size)
    found = []
    for name in names:
        network, _, weights = name.partition("=")
        torch.manual_seed(seed)
        backbone = create_backbone(
            network, weights=weights or None, norm="batch", freeze_through=None
        )
        normalized = PixelNormalizer(backbone.passport)(pixels)
        responses = measure_responses(backbone, normalized, batch_statistics=not weights)
        folder = _folder_of(network, out)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(responses, folder)
        found.append(responses)
    note = _note(names)
    draw(found, out / "responses.png", note)
    tables = [f"{responses.name}\n{responses}" for responses in found]
    return "\n\n".join([*tables, note] if note else tables)


def files_of_study(names: Sequence[str], out: Path) -> list[Path]:
    """The files that `study_responses` writes."""
    files = [out / "responses.png"]
    for name in names:
        folder = _folder_of(name.partition("=")[0], out)
        files += [folder / "layers.csv", folder / "blocks.csv"]
    return files


def _folder_of(network: str, out: Path) -> Path:
    return out / network.replace(":", "_").replace("/", "_")


def read_images(folder: Path, count: int, size: int) -> Tensor:
    """The first `count` images of a folder by name, their middle square resized: (B, 3, size, size)
    uint8.
    """
    import numpy as np
    from PIL import Image, ImageOps

    files = (
        sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if folder.is_dir()
        else []
    )
    if not files:
        raise UserError(
            f"--images must be a folder with {', '.join(SUFFIXES)} files, got {str(folder)!r}"
        )
    pictures = []
    for path in files[:count]:
        with Image.open(path) as image:
            pictures.append(np.asarray(ImageOps.fit(image.convert("RGB"), (size, size))))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def draw(found: Sequence[Responses], path: Path, note: str = "") -> None:
    """Five panels over the networks: stds by layer and sorted, residual over identity, forward and
    backward norms. The sixth names the networks, and holds the `note`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout="constrained")
    figure.suptitle("Responses of layers, from the input to the output", fontweight="bold")
    axes = figure.subplots(2, 3).flatten()
    for number, (panel, values) in enumerate(_panels(found).items()):
        x, y = panel
        axis = axes[number]
        for responses, points in zip(found, values, strict=True):
            places = range(1, len(points) + 1)
            axis.plot(places, points, marker=".", label=responses.name)
        axis.set(xlabel=x, ylabel=y)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
        highest = max([point for points in values for point in points] + [0.0])
        if y == BACKWARD:
            axis.set_yscale("log")
        elif highest > 0:
            axis.set_ylim(0, 1.15 * highest)  # a constant line is not on the frame
    axes[5].set_axis_off()
    handles, names = axes[0].get_legend_handles_labels()
    axes[5].legend(handles, names, loc="upper left", frameon=False)
    axes[5].text(0, 0.6, fill(note, 60), va="top", transform=axes[5].transAxes)
    figure.savefig(path, dpi=110)


def _panels(found: Sequence[Responses]) -> dict[tuple[str, str], list[list[float]]]:
    """Titles of the axes and the values of each network, without shortcuts, as in the paper."""
    layers = []
    for responses in found:
        layers.append([row for row in responses.layers if ".downsample." not in row.layer])
    stds = [[row.std for row in rows] for rows in layers]
    blocks = [[row.residual_to_identity for row in responses.blocks] for responses in found]
    return {
        ("layer", "std of the response"): stds,
        ("layer, sorted by magnitude", "std of the response"): [
            sorted(values, reverse=True) for values in stds
        ],
        ("residual block", "residual / identity"): blocks,
        ("layer", "forward norm"): [[row.forward_norm for row in rows] for rows in layers],
        ("layer", BACKWARD): [[row.backward_norm for row in rows] for rows in layers],
    }


def _note(names: Sequence[str]) -> str:
    """Note on networks without weights; empty if all have some."""
    random = [name for name in names if not name.partition("=")[2]]
    if not random:
        return ""
    return (
        f"random weights: {', '.join(random)}. What leaves a norm then has std 1 by construction;"
        " NAME=WEIGHTS, such as resnet20=ours:resnet20.cifar10, shows trained weights."
    )


def _noise(count: int, size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
