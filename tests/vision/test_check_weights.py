"""Whether weights are there is known before torch is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from resnet_backbones.zoo import catalogue
from tasks.engine.settings import RunConfig
from tasks.vision.check_weights import check_weights

LIST = """[{"name": "resnet20.noise", "file": "a", "sha256": "b", "architecture": "resnet20",
"classes": 2, "licence": "c", "figures": {}, "command": "d"}]"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run in an empty folder, beside a list of published weights."""
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    (tmp_path / "zoo.json").write_text(LIST)
    return RunConfig(output_dir=str(tmp_path / "run"))


@pytest.mark.parametrize(
    "weights", [None, "torchvision:x", "timm:x", "ours:resnet20.noise", "ours:shapes", __file__]
)
def test_what_is_there_or_known_later_is_taken(run: RunConfig, weights: str | None) -> None:
    check_weights(weights, run)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("absent", r"an existing file or run folder, .* or ours:<name>, got absent"),
        ("ours:resnet20.nose", r"got 'ours:resnet20\.nose'; did you mean ours:resnet20\.noise\?"),
    ],
)
def test_what_is_not_there_is_refused(run: RunConfig, weights: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_weights(weights, run)
