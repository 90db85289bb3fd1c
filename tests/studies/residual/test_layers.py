"""What is measured of the responses of a net, by numbers made by hand."""

import pytest

from resnet_backbones.analysis.responses import BlockResponse, LayerResponse, Responses
from studies.residual.layers import LAYER_MEASURES, LayerRow, rows_of


def layer(name: str, std: float, backward: float) -> LayerResponse:
    return LayerResponse(layer=name, std=std, forward_norm=2 * std, backward_norm=backward)


@pytest.fixture
def rows() -> list[LayerRow]:
    """A net of a stem and two blocks, the second with a projection."""
    layers = (
        layer("conv1", 1.0, 0.1),
        layer("layer1.0.conv1", 0.5, 0.2),
        layer("layer1.0.conv2", 0.25, 0.2),
        layer("layer2.0.conv1", 0.75, 0.3),
        layer("layer2.0.conv2", 0.5, 0.4),
        layer("layer2.0.downsample.0", 9.0, 9.0),
    )
    blocks = (
        BlockResponse(block="layer1.0", residual_to_identity=0.4),
        BlockResponse(block="layer2.0", residual_to_identity=0.8),
    )
    return rows_of(Responses("resnet20", layers, blocks), "responses", "cpu", "resnet20", 1)


def test_shortcuts_are_left_out_and_blocks_end_with_their_ratio(rows: list[LayerRow]) -> None:
    assert [row.place for row in rows] == [0, 1, 2, 3, 4]
    assert [row.residual_to_identity for row in rows] == [None, None, 0.4, None, 0.8]
    assert {row.run for row in rows} == {"resnet20-1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean response", 0.6),
        ("weakest response over the strongest", 25.0),
        ("gradient of the first layer over the last's", 25.0),
        ("residual over identity", 0.6),
    ],
)
def test_measures(rows: list[LayerRow], name: str, value: float) -> None:
    assert LAYER_MEASURES[name].of(rows) == pytest.approx(value)


def test_a_plain_net_has_no_residuals() -> None:
    plain = rows_of(
        Responses("plain20", (layer("conv1", 1.0, 0.1),), ()), "responses", "cpu", "plain20", 0
    )
    assert LAYER_MEASURES["residual over identity"].of(plain) is None
