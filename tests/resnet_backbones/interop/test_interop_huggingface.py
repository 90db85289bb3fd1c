"""Backbones in Hugging Face's own models; nothing is downloaded."""

from pathlib import Path

import pytest
import torch
from consumer import assert_copies_are_independent, assert_one_step_trains, tiny_backbone
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from resnet_backbones.features import Backbone
from resnet_backbones.interop.huggingface import as_huggingface

transformers = pytest.importorskip(
    "transformers", reason="needs transformers, which make installs beside the extras"
)
IMAGES = torch.rand(2, 3, 64, 64)
CLASSES = torch.randint(0, 4, (2, 64, 64))
BOXES = [{"class_labels": torch.tensor([1]), "boxes": torch.tensor([[0.5, 0.5, 0.2, 0.2]])}] * 2


def upernet_config(backbone: Backbone) -> object:
    return transformers.UperNetConfig(
        backbone_config=as_huggingface(backbone),
        hidden_size=32,
        num_labels=4,
        auxiliary_in_channels=256,
    )


def upernet(backbone: Backbone) -> nn.Module:
    return transformers.UperNetForSemanticSegmentation(upernet_config(backbone))


def logits(model: nn.Module, images: Tensor) -> Tensor:
    return model(images).logits


def test_it_has_what_models_ask_of_a_backbone() -> None:
    backbone = tiny_backbone()
    view = transformers.AutoBackbone.from_config(as_huggingface(backbone))
    stages = ["c2", "c3", "c4", "c5"]
    assert (view.stage_names, view.out_features, view.out_indices) == (stages, stages, [0, 1, 2, 3])
    assert view.channels == [64, 128, 256, 512]
    output = view.forward_with_filtered_kwargs(
        IMAGES, output_hidden_states=None, output_attentions=False
    )
    assert isinstance(output, transformers.modeling_outputs.BackboneOutput)
    assert [x.shape[1] for x in output.feature_maps] == view.channels


def test_the_model_leaves_the_weights_as_they_are_and_shares_them() -> None:
    backbone = tiny_backbone()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    model = upernet(backbone)
    state = model.state_dict(keep_vars=True)
    for name, tensor in backbone.state_dict(keep_vars=True).items():
        assert tensor.equal(before[name])
        assert state[f"backbone.{name}"] is tensor


def test_upernet_trains_and_predicts() -> None:
    backbone = tiny_backbone()
    model = upernet(backbone)
    assert_one_step_trains(model, backbone, lambda model: model(IMAGES, labels=CLASSES).loss)
    assert logits(model.eval(), IMAGES).shape == (2, 4, 64, 64)


def test_rt_detr_trains_and_predicts() -> None:
    backbone = tiny_backbone(("c3", "c4", "c5"))
    config = transformers.RTDetrConfig(
        backbone_config=as_huggingface(backbone), encoder_in_channels=[128, 256, 512], decoder_in_channels=[32, 32, 32],
        encoder_hidden_dim=32, encoder_ffn_dim=32, d_model=32, decoder_layers=1, decoder_ffn_dim=32, num_queries=10,
        encoder_attention_heads=4, decoder_attention_heads=4, num_labels=3, freeze_backbone_batch_norms=False,
    )  # fmt: skip
    model = transformers.RTDetrForObjectDetection(config)
    assert_one_step_trains(model, backbone, lambda model: model(IMAGES, labels=BOXES).loss)
    assert logits(model.eval(), IMAGES).shape == (2, 10, 3)


def test_copies_are_independent() -> None:
    assert_copies_are_independent(upernet(tiny_backbone()), IMAGES, logits)


def test_a_saved_model_comes_back_into_a_backbone_made_anew(tmp_path: Path) -> None:
    model = upernet(tiny_backbone()).eval()
    model.save_pretrained(tmp_path)
    backbone = tiny_backbone()
    nn.init.zeros_(backbone.conv1.weight)
    frozen = backbone.frozen_names()
    again = type(model).from_pretrained(tmp_path, config=upernet_config(backbone))
    assert backbone.conv1.weight.equal(model.backbone.backbone.conv1.weight)
    assert backbone.frozen_names() == frozen
    with torch.no_grad():
        torch.testing.assert_close(logits(again, IMAGES), logits(model, IMAGES))


def test_a_configuration_out_of_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    upernet(tiny_backbone()).save_pretrained(tmp_path)
    with pytest.raises(
        UserError, match=r"files hold no backbone, got one read from a file; use from_pretrained\("
    ):
        transformers.UperNetForSemanticSegmentation.from_pretrained(tmp_path)
