"""What all views share."""

import torch
from consumer import tiny_backbone
from torch import nn

from resnet_backbones.interop.mmdet import as_mmdet


def test_storage_and_names_are_the_backbones() -> None:
    backbone = tiny_backbone()
    view = as_mmdet(backbone)
    ours = backbone.state_dict(keep_vars=True)
    theirs = view.state_dict(keep_vars=True)
    assert list(ours) == list(theirs)
    assert all(theirs[name] is tensor for name, tensor in ours.items())


def test_training_mode_leaves_frozen_parts_alone() -> None:
    view = as_mmdet(tiny_backbone())
    nn.Sequential(view).train()
    assert not view.layer1.training
    assert view.layer2.training
    assert not nn.Sequential(view).eval()[0].layer2.training


def test_a_replaced_module_is_replaced_in_both() -> None:
    backbone = tiny_backbone()
    view = nn.SyncBatchNorm.convert_sync_batchnorm(as_mmdet(backbone))
    assert isinstance(backbone.bn1, nn.SyncBatchNorm)
    assert view.bn1 is backbone.bn1


def test_types_move_together() -> None:
    backbone = tiny_backbone()
    as_mmdet(backbone).double()
    assert backbone(torch.rand(1, 3, 64, 64, dtype=torch.float64))["c2"].dtype == torch.float64


def test_views_compile_and_export() -> None:
    view = as_mmdet(tiny_backbone()).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = view(images)[-1]
        assert torch.compile(view, fullgraph=True, backend="eager")(images)[-1].equal(expected)
        exported = torch.export.export(view, (images,)).module()
        torch.testing.assert_close(exported(images)[-1], expected)
