"""ONNX files of backbones, run by onnxruntime."""

from pathlib import Path

import pytest
import torch

from resnet_backbones.interop.onnx import export_onnx
from resnet_backbones.registry import create_backbone

pytest.importorskip("onnxscript", reason="pip install onnx onnxscript onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("name", ["resnet18", "resnet20", "resnetv2_18", "vgg11_bn"])
def test_a_file_gives_the_levels_at_any_batch_and_size(
    name: str, dynamo: bool, tmp_path: Path
) -> None:
    backbone = create_backbone(name, levels=["c2", "c3"]).train()
    export_onnx(backbone, tmp_path / "file.onnx", size=(64, 96), dynamo=dynamo)
    assert backbone.training
    session = onnxruntime.InferenceSession(str(tmp_path / "file.onnx"))
    assert [value.name for value in session.get_inputs()] == ["images"]
    assert [value.name for value in session.get_outputs()] == ["c2", "c3"]
    for shape in ((3, 3, 75, 109), (1, 3, 64, 64)):
        images = torch.randn(shape)
        found = session.run(None, {"images": images.numpy()})
        for x, expected in zip(found, backbone.eval()(images).values(), strict=True):
            torch.testing.assert_close(torch.from_numpy(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_file_may_be_of_one_size(tmp_path: Path) -> None:
    backbone = create_backbone("resnet20")
    export_onnx(backbone, tmp_path / "file.onnx", size=(32, 40), dynamic=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "file.onnx"))
    assert session.get_inputs()[0].shape == [1, 3, 32, 40]
