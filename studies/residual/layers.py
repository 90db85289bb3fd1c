"""Responses of the layers of trained nets as rows of a CSV file, and the measures of a net.

He et al. 2016, figure 7: standard deviations after the norm and before the nonlinearity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from resnet_backbones.analysis.responses import Responses
from studies.residual.measures import Measure


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """Response of one convolution of a trained net."""

    study: str
    budget: str
    run: str
    network: str
    seed: int
    place: int
    """Index of the convolution in the order of the forward pass, from 0."""
    layer: str
    std: float | None
    """Standard deviation of the response."""
    forward_norm: float | None
    """Root mean square of the response."""
    backward_norm: float | None
    """Root mean square of the gradient at the response, for a random direction of the last map."""
    residual_to_identity: float | None
    """Norm of the branch over norm of the shortcut; only for the last convolution of a block."""


def rows_of(
    responses: Responses, study: str, budget: str, network: str, seed: int
) -> list[LayerRow]:
    """Rows of a net without the convolutions of its shortcuts, as in the figure."""
    ratios = {block.block: block.residual_to_identity for block in responses.blocks}
    layers = [layer for layer in responses.layers if ".downsample." not in layer.layer]
    last = {layer.layer.rpartition(".")[0]: layer.layer for layer in layers}
    rows = []
    for place, layer in enumerate(layers):
        block = layer.layer.rpartition(".")[0]
        ends = last[block] == layer.layer
        row = LayerRow(
            study=study,
            budget=budget,
            run=f"{network}-{seed}",
            network=network,
            seed=seed,
            place=place,
            layer=layer.layer,
            std=layer.std,
            forward_norm=layer.forward_norm,
            backward_norm=layer.backward_norm,
            residual_to_identity=ratios.get(block) if ends else None,
        )
        rows.append(row)
    return rows


def mean_response(rows: Sequence[LayerRow]) -> float | None:
    """Mean over the layers of the standard deviation of the response."""
    return mean(row.std for row in rows if row.std is not None)


def weakest_response(rows: Sequence[LayerRow]) -> float | None:
    """Smallest standard deviation of a layer over the largest, in percent."""
    stds = [row.std for row in rows if row.std is not None]
    return 100 * min(stds) / max(stds)


def gradient_left(rows: Sequence[LayerRow]) -> float | None:
    """Gradient at the first layer over that at the last one, in percent."""
    first, last = rows[0].backward_norm, rows[-1].backward_norm
    return None if first is None or not last else 100 * first / last


def residual_share(rows: Sequence[LayerRow]) -> float | None:
    """Mean ratio of branch to shortcut over the blocks; None for a net without blocks."""
    found = [row.residual_to_identity for row in rows]
    ratios = [ratio for ratio in found if ratio is not None]
    return mean(ratios) if ratios else None


LAYER_MEASURES: Mapping[str, Measure[LayerRow]] = {
    "mean response": Measure("standard deviation", mean_response),
    "weakest response over the strongest": Measure("%", weakest_response),
    "gradient of the first layer over the last's": Measure("%", gradient_left),
    "residual over identity": Measure("ratio of norms", residual_share),
}
"""Measures by their name in the tables."""
