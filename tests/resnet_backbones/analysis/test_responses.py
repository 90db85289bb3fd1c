"""Layer and block responses against the same values computed by hand."""

import copy
import csv
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from PIL import Image

from resnet_backbones.analysis.responses import LayerResponse, Responses, measure_responses
from resnet_backbones.analysis.study import draw, read_images, study_responses
from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.registry import create_backbone


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return create_backbone("resnet18", levels=["c2"])


def test_responses_are_after_the_norm_and_before_the_nonlinearity(backbone: Backbone) -> None:
    images = torch.randn(2, 3, 32, 32)
    torch.nn.init.uniform_(backbone.bn1.weight, 0.5, 2)
    torch.nn.init.uniform_(backbone.bn1.bias, -1, 1)
    expected = backbone.bn1(backbone.conv1(images))
    first = measure_responses(backbone, images, batch_statistics=True).layers[0]
    assert first.layer == "conv1"
    assert first.std == pytest.approx(expected.std().item(), rel=1e-5)
    assert first.forward_norm == pytest.approx(expected.square().mean().sqrt().item(), rel=1e-5)


def test_own_statistics_are_used_where_asked(backbone: Backbone) -> None:
    images = torch.randn(2, 3, 32, 32)
    torch.nn.init.uniform_(backbone.bn1.running_var, 1, 4)
    first = measure_responses(backbone, images, batch_statistics=False).layers[0]
    assert first.std == pytest.approx(
        backbone.eval().bn1(backbone.conv1(images)).std().item(), rel=1e-5
    )


def test_layers_come_in_the_order_of_the_forward_pass(backbone: Backbone) -> None:
    responses = measure_responses(backbone, torch.randn(2, 3, 32, 32), batch_statistics=True)
    inner = [f"layer1.{block}.conv{place}" for block in (0, 1) for place in (1, 2)]
    assert [layer.layer for layer in responses.layers] == ["conv1", *inner]
    assert list(responses.sorted_stds()) == sorted(
        (layer.std for layer in responses.layers), reverse=True
    )


def test_a_block_is_measured_against_its_input(backbone: Backbone) -> None:
    images = torch.randn(2, 3, 32, 32)
    responses = measure_responses(backbone, images, batch_statistics=True)
    x = F.max_pool2d(backbone.bn1(backbone.conv1(images)).relu(), 3, 2, 1)
    block = backbone.layer1[0]
    residual = block.bn2(block.conv2(block.bn1(block.conv1(x)).relu()))
    assert [row.block for row in responses.blocks] == ["layer1.0", "layer1.1"]
    assert responses.blocks[0].residual_to_identity == pytest.approx(
        (residual.norm() / x.norm()).item(), rel=1e-5
    )


def test_a_block_with_a_projection_is_measured_against_it() -> None:
    torch.manual_seed(0)
    blocks = measure_responses(
        create_backbone("resnet18", levels=["c3"]), torch.randn(2, 3, 32, 32), batch_statistics=True
    ).blocks
    assert blocks[2].residual_to_identity == pytest.approx(1, rel=1e-3)  # both sides are normalised


def test_gradients_are_of_unit_directions() -> None:
    torch.manual_seed(0)
    stem = create_backbone("resnet18", levels=["c1"])
    (layer,) = measure_responses(stem, torch.randn(4, 3, 64, 64), batch_statistics=True).layers
    squares = layer.backward_norm**2 * 4 * 64 * 32 * 32
    assert squares == pytest.approx(
        0.5 / 4, rel=0.1
    )  # a quarter of a unit an image, of which ReLU passes half


def test_nothing_about_the_backbone_changes(backbone: Backbone) -> None:
    before = copy.deepcopy(backbone.state_dict())
    backbone.freeze(("conv1", "bn1"))
    measure_responses(backbone.eval(), torch.randn(2, 3, 32, 32), batch_statistics=True)
    assert not backbone.training
    assert set(backbone.frozen_names()) == {"conv1.weight", "bn1.weight", "bn1.bias"}
    assert all(value.equal(before[name]) for name, value in backbone.state_dict().items())


def test_images_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for index, name in enumerate(("b.png", "a.png", "c.png")):
        Image.fromarray(np.full((20, 30, 3), index * 10, np.uint8)).save(tmp_path / name)
    pixels = read_images(tmp_path, 2, 8)
    assert pixels.shape == (2, 3, 8, 8)
    assert pixels[:, 0, 0, 0].tolist() == [10, 0]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--images must be a folder with"):
        read_images(tmp_path, 2, 8)


def test_the_study_writes_tables_and_a_picture(tmp_path: Path) -> None:
    text = study_responses(["resnet18", "vgg11_bn"], tmp_path, count=2, size=64)
    assert "layer4.1.conv2" in text
    assert Image.open(tmp_path / "responses.png").width > 1000
    with (tmp_path / "resnet18" / "layers.csv").open(newline="") as file:
        assert [row["layer"] for row in csv.DictReader(file)][:2] == ["conv1", "layer1.0.conv1"]
    assert not (tmp_path / "vgg11_bn" / "blocks.csv").exists()


def test_random_weights_are_said_to_show_nothing_and_trained_ones_are_not(tmp_path: Path) -> None:
    trained = "resnet20=ours:resnet20.cifar10"
    said = "random weights: plain18. What leaves a norm then has std 1 by construction"
    assert said in study_responses(["plain18", trained], tmp_path, count=2, size=32)
    assert "random weights" not in study_responses([trained], tmp_path, count=2, size=32)


def test_a_constant_line_is_not_on_the_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stds of 1, by construction: the axis ends above them."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    layers = [LayerResponse(layer=f"conv{i}", std=1, forward_norm=1, backward_norm=1) for i in "12"]
    draw([Responses("a", tuple(layers), ())], tmp_path / "a.png")
    assert figures[0].axes[0].get_ylim() == (0, pytest.approx(1.15))
