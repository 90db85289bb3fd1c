"""Settings of semantic heads."""

from typing import Any

import pytest

from resnet_backbones.errors import UserError
from tasks.vision.settings_semantic import SemanticHeadConfig, SemanticModelConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.0}, r"model\.head\.dropout must be in \[0, 1\), got 1.0"),
        ({"auxiliary": -0.1}, r"model\.head\.auxiliary must be >= 0, got -0.1"),
        ({"channels": 0}, r"model\.head\.channels must be >= 1, got 0"),
        ({"low_level_channels": 0}, r"model\.head\.low_level_channels must be >= 1, got 0"),
        ({"atrous_rates": ()}, r"model\.head\.atrous_rates must name at least one rate"),
        ({"atrous_rates": (6, 0)}, r"model\.head\.atrous_rates .* got \(6, 0\)"),
    ],
)
def test_values_that_no_head_has_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SemanticHeadConfig(**values)


def test_only_the_pyramids_backbone_is_not_dilated_by_default() -> None:
    assert SemanticModelConfig().backbone_stride == 32
    deeplab = SemanticHeadConfig(kind="deeplabv3")
    assert SemanticModelConfig(head=deeplab).backbone_stride == 8
    assert SemanticModelConfig(head=deeplab, output_stride=16).backbone_stride == 16
