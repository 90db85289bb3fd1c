"""The recipes of segmenters say what their sources say, build their networks and learn."""

from functools import cache
from pathlib import Path

import pytest
import torch
from masks import write_image, write_mask

from resnet_backbones.weights.passport import Passport
from tasks.engine.config import load_config
from tasks.engine.config_text import read_yaml
from tasks.engine.optim import peak_lr
from tasks.engine.schedule import lr_factor
from tasks.engine.start import Start
from tasks.segmentation.build import make_segmenter
from tasks.segmentation.config import SegmentationConfig
from tasks.segmentation.data.batches import TrainBatches
from tasks.segmentation.data.read_splits import read_split
from tasks.vision.semantic.objective import SegmentationObjective
from tasks.vision.semantic.segmenter import build_segmenter

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = [
    path.stem
    for path in sorted(CONFIGS.glob("*.yaml"))
    if read_yaml(path)["task"] == "segmentation"
]
MMSEGMENTATION = {  # schedule_{40k,80k,160k}.py and the crops a step of the config's name
    "semantic_fpn_r50_ade20k": (160_000, 16),
    "semantic_fpn_r50_cityscapes": (80_000, 8),
    "deeplabv3_r50_coco_stuff": (160_000, 16),
    "deeplabv3_r50_voc": (40_000, 16),
}
DETECTRON2 = [f"semantic_fpn_r{depth}_coco" for depth in (18, 50, 101)]
OURS = ["quickstart_seg", "semantic_fpn_r18_camvid"]
SMALL = (
    "data.labels=masks",
    "data.batch_size=2",
    "data.short_edge=[64]",
    "data.long_edge=96",
    "data.workers=0",
    "model.weights=null",
    "run.device=cpu",
)
VALUES = (7, 8)  # of a class each in every built-in list


@cache
def settings(name: str) -> SegmentationConfig:
    """A recipe's."""
    return load_config(SegmentationConfig, CONFIGS / f"{name}.yaml", [])


def learning_rate(name: str, step: int) -> float:
    """Of the step after `step` finished ones."""
    config = settings(name)
    factor = lr_factor(step, (), config.schedule, config.run.best_metric)
    return peak_lr(config.optim, config.batch_size) * factor


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images whose left is of one class and whose right is of another."""
    folder = tmp_path_factory.mktemp("recipes")
    for name in ("a", "b"):
        write_image(folder / "train" / "images" / f"{name}.png", 64, 96, shade=90)
        row = [value for value in VALUES for _ in range(48)]
        write_mask(folder / "train" / "masks" / f"{name}.png", [row] * 64)
    (folder / "classes.txt").write_text("".join(f"class {value}\n" for value in range(9)))
    return folder


def test_every_recipe_is_held_to_its_source() -> None:
    assert sorted([*MMSEGMENTATION, *DETECTRON2, *OURS]) == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_takes_a_step(name: str, root: Path) -> None:
    recipe = settings(name)
    overrides = [*SMALL, f"data.root={root}"]
    if recipe.data.crop is not None:
        overrides.append("data.crop=64")
    if recipe.data.classes == "stuff" or recipe.data.labels == "instances":
        overrides.append("data.classes=null")  # then classes.txt beside the masks
    if recipe.loss.class_weights is not None:
        assert len(recipe.loss.class_weights) == 6  # the drawn shapes and their background
        overrides.append(f"loss.class_weights={[1.0] * 9}")
    config = load_config(SegmentationConfig, CONFIGS / f"{name}.yaml", overrides)
    dataset = read_split(config.data, "train")
    model, _ = make_segmenter(config.model, dataset.label_map, Start(None))
    objective = SegmentationObjective(model, config.loss, config.model.head.auxiliary)
    before = model.head.predictor.weight.detach().clone()
    optimizer = torch.optim.SGD(objective.parameters(), lr=learning_rate(name, 1000))
    losses = objective(next(TrainBatches(dataset, config).start(0)))
    torch.stack(list(losses.values())).sum().backward()
    optimizer.step()
    moved = model.head.predictor.weight - before
    assert moved.isfinite().all()
    assert moved.abs().max() > 0


@pytest.mark.parametrize("name", MMSEGMENTATION)
@pytest.mark.parametrize("done", [0.0, 0.25, 0.999])
def test_the_rate_is_mmsegmentations_poly_from_a_hundredth_to_a_ten_thousandth(
    name: str, done: float
) -> None:
    step = round(MMSEGMENTATION[name][0] * done)  # PolyLR(eta_min=1e-4, power=0.9), no warm-up
    expected = (0.01 - 1e-4) * (1 - done) ** 0.9 + 1e-4
    assert learning_rate(name, step) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", MMSEGMENTATION)
def test_length_and_batch_are_those_of_mmsegmentations_config(name: str) -> None:
    config = settings(name)
    assert (config.schedule.steps, config.batch_size) == MMSEGMENTATION[name]


@pytest.mark.parametrize("name", DETECTRON2)
@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 2e-5), (1000, 0.02), (59_999, 0.02), (60_000, 0.002), (80_000, 0.0002)],
)
def test_the_rate_is_detectron2s(name: str, step: int, expected: float) -> None:
    assert learning_rate(name, step) == pytest.approx(expected)


@pytest.mark.parametrize("name", [*MMSEGMENTATION, *DETECTRON2])
def test_the_weights_are_of_the_backbone_and_its_network_is_built(name: str) -> None:
    config = settings(name).model
    assert config.weights == f"torchvision:{config.backbone}.IMAGENET1K_V1"
    passport = Passport(architecture=config.backbone)
    with torch.device("meta"):
        model = build_segmenter(config, 19, passport=passport)
    assert (model.auxiliary is not None) == name.startswith("deeplab")


@pytest.mark.parametrize("name", RECIPES)
def test_a_changed_length_scales_the_milestones(name: str) -> None:
    assert settings(name).schedule.reference_steps == settings(name).schedule.steps


@pytest.mark.parametrize("name", RECIPES)
def test_the_results_of_a_recipe_are_in_a_folder_of_its_name(name: str) -> None:
    assert settings(name).run.output_dir == f"runs/{name}"
