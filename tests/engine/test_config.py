"""Settings: precedence, type rules, errors that name their source, and the text of --help."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from resnet_backbones.errors import UserError
from tasks.engine.config import from_saved, load_config, to_saved, to_yaml, with_overrides
from tasks.engine.setting_declarations import require
from tasks.engine.setting_help import describe


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """A nested section."""

    sizes: tuple[int, ...] = (1, 2)
    """Sizes in pixels."""
    pair: tuple[int, float] = (1, 2.0)
    """A pair."""
    name: str | None = None
    """A name."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A section."""

    lr: float = 0.02
    """Rate,
    over two lines."""
    steps: int = 10
    """Steps."""
    kind: Literal["sgd", "adamw"] = "sgd"
    """Kind."""
    on: bool = False
    """Switch."""
    part: PartConfig = field(default_factory=PartConfig)
    """The nested part."""

    def __post_init__(self) -> None:
        require(self.lr > 0, "model.lr must be > 0", self.lr)


@dataclass(frozen=True, kw_only=True)
class WholeConfig:
    """All."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The model."""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_defaults_then_file_then_overrides_and_the_rightmost_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "model:\n  lr: 1e-3\n  steps: 20\n  part:\n    name: a\n")
    config = load_config(
        WholeConfig, path, ["model.steps=30", "model.steps=40", "model.part.sizes=[5,6,7]"]
    )
    assert (config.model.lr, config.model.steps, config.model.kind) == (0.001, 40, "sgd")
    assert config.model.part == PartConfig(sizes=(5, 6, 7), name="a")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("model.lr=1", 1.0),
        ("model.lr=1e-4", 1e-4),
        ("model.on=true", True),
        ("model.part.sizes=7", (7,)),
        ("model.part.pair=[3,4]", (3, 4.0)),
        ("model.part.name=null", None),
        ("model.part.name=torchvision:resnet50.V1", "torchvision:resnet50.V1"),
        ("model.part.name=a=b", "a=b"),
        ('model.part.name="7"', "7"),
        ("model.part.name=007", "007"),
        ("model.part.name=runs/exp #2", "runs/exp #2"),
        ("model.part.name=&x y: z ", "&x y: z "),
        ("model.part.name=${oc.env:HOME}", "${oc.env:HOME}"),
        ("model.part.name='null'", "null"),
        ("model.part.name=", ""),
    ],
)
def test_values_take_the_declared_type(override: str, value: object) -> None:
    config: object = load_config(WholeConfig, None, [override])
    for name in override.partition("=")[0].split("."):
        config = getattr(config, name)
    assert config == value
    assert type(config) is type(value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.lr=fast", "model.lr must be a number, got 'fast' in override model.lr=fast"),
        ("model.lr=true", "model.lr must be a number, got True"),
        ("model.lr=.nan", "model.lr must be a number, got nan"),
        ("model.steps=9e4", "model.steps must be a whole number, got 90000.0"),
        ("model.steps=null", "model.steps must be a whole number, got None"),
        ("model.on=1", "model.on must be true or false, got 1"),
        ("model.kind=adam", "model.kind must be one of sgd, adamw, got 'adam'"),
        ("model.part.sizes=[1,x]", "model.part.sizes must be a list of whole numbers, got"),
        ("model.part.pair=[1]", "model.part.pair must be a list of 2, got"),
        ("model.part=3", "model.part is a section and must hold"),
        (
            "model.step=3",
            "model.step is not a setting, seen in override model.step=3; did you mean model.steps",
        ),
        ("steps=3", "did you mean model.steps"),
        ("model.stpes=3", "did you mean model.steps"),
        ("modle.steps=3", "did you mean model.steps"),
        ("model.part.zzz=3", "model.part has sizes, pair, name"),
        ("model.lr.x=3", "model.lr.x is not a setting"),
        ("run.wandb=true", "run.wandb is not a setting, seen in .*: trackers have no settings;"),
        ("data.mosaic=1", "data.mosaic is not a setting, seen in .*: mosaic is not there;"),
        ("model.lr=-1", r"model.lr must be > 0, got -1.0 \(set in override model.lr=-1\)"),
        ("model.lr", "an override must read section.key=value, got 'model.lr'"),
        ("--model.lr=3", "an override must read"),
        ("model.part.sizes=[1", "must be YAML"),
    ],
)
def test_a_wrong_override_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(WholeConfig, None, [override])


@pytest.mark.parametrize(
    "text",
    [
        "model: {part: {name: 7}}",
        "model:\n  lrr: 1",
        "model:\n  lr: x",
        "model:\n  lr: -1",
        "- 1",
        "model: [1",
        "x: {}",
    ],
)
def test_an_error_in_a_file_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"recipe\.yaml"):
        load_config(WholeConfig, write(tmp_path, text), [])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must exist, got .*nothing\.yaml"):
        load_config(WholeConfig, tmp_path / "nothing.yaml", [])


def test_an_empty_section_and_an_empty_file_keep_the_defaults(tmp_path: Path) -> None:
    assert load_config(WholeConfig, write(tmp_path, "model:\n"), []) == WholeConfig()
    assert load_config(WholeConfig, write(tmp_path, ""), []) == WholeConfig()


def test_dict_and_yaml_read_back_to_an_equal_value(tmp_path: Path) -> None:
    config = load_config(
        WholeConfig, None, ["model.lr=0.1111111111111111", "model.part.name='null'"]
    )
    assert from_saved(WholeConfig, to_saved(config), "a test") == config
    assert load_config(WholeConfig, write(tmp_path, to_yaml(config)), []) == config


def test_overrides_of_settings_that_are_there_name_their_source() -> None:
    config = load_config(WholeConfig, None, ["model.lr=0.5", "model.steps=3"])
    changed = with_overrides(config, ["model.steps=4"])
    assert (changed.model.lr, changed.model.steps) == (0.5, 4)
    message = r"model.lr must be > 0, got -1.0 \(set in override model.lr=-1\)$"
    with pytest.raises(UserError, match=message):
        with_overrides(config, ["model.steps=4", "model.lr=-1"])


def test_help_lists_every_setting_with_default_type_and_text() -> None:
    assert describe(WholeConfig()).splitlines() == [
        "model: The model.",
        "  model.lr = 0.02  (a number)",
        "      Rate, over two lines.",
        "  model.steps = 10  (a whole number)",
        "      Steps.",
        "  model.kind = sgd  (one of sgd, adamw)",
        "      Kind.",
        "  model.on = false  (true or false)",
        "      Switch.",
        "",
        "model.part: The nested part.",
        "  model.part.sizes = [1,2]  (a list of whole numbers)",
        "      Sizes in pixels.",
        "  model.part.pair = [1,2]  (a list of 2)",
        "      A pair.",
        "  model.part.name = null  (a text or null)",
        "      A name.",
    ]


def test_settings_load_without_torch() -> None:
    code = "import sys, tasks.engine.config, tasks.engine.settings; print('torch' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == "False"
