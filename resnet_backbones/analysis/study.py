"""The figure of layer responses: networks by name, images from a folder or noise, tables and a
picture.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from resnet_backbones.analysis.responses import Responses, measure_responses, write_csv
from resnet_backbones.errors import UserError
from resnet_backbones.registry import create_backbone
from resnet_backbones.weights.passport import PixelNormalizer

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
    draw(found, out / "responses.png")
    return "\n\n".join(f"{responses.name}\n{responses}" for responses in found)


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


def draw(found: Sequence[Responses], path: Path) -> None:
    """Five panels over the networks: stds by layer and sorted, forward and backward norms, residual
    over identity.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(2, 3).flatten()
    for responses in found:
        layers = [
            layer for layer in responses.layers if ".downsample." not in layer.layer
        ]  # as in the paper
        blocks = responses.blocks
        axes[0].plot([layer.std for layer in layers], marker=".", label=responses.name)
        axes[1].plot(
            sorted((layer.std for layer in layers), reverse=True), marker=".", label=responses.name
        )
        axes[2].plot(
            [block.residual_to_identity for block in blocks], marker=".", label=responses.name
        )
        axes[3].plot([layer.forward_norm for layer in layers], marker=".", label=responses.name)
        axes[4].semilogy(
            [layer.backward_norm for layer in layers], marker=".", label=responses.name
        )
    labels = (
        ("layer", "std of the response"), ("layer, sorted by magnitude", "std of the response"),
        ("block", "residual / identity"), ("layer", "forward norm"), ("layer", "backward norm"),
    )  # fmt: skip
    for axis, (x, y) in zip(axes, labels, strict=False):
        axis.set(xlabel=x, ylabel=y)
        axis.grid(alpha=0.3)
        if axis.get_yscale() == "linear":
            axis.set_ylim(bottom=0)
    axes[0].legend()
    axes[5].set_axis_off()
    figure.savefig(path, dpi=110)


def _noise(count: int, size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
