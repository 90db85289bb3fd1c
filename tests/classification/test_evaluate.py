"""Scores against torchvision's own preprocessing and forward, and against views made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet18
from torchvision.transforms import v2

import resnet_backbones
from resnet_backbones.errors import UserError
from resnet_backbones.weights.files import content_hash, read_tensors
from tasks.classification.config import ClassificationConfig
from tasks.classification.data.batch import plain_batch
from tasks.classification.evaluate import Member
from tasks.classification.evaluate_saved import evaluate_checkpoint, evaluate_settings
from tasks.classification.precise_norm import average_norms
from tasks.datasets.class_images.class_images import read_class_images
from tasks.engine.config import load_config
from tasks.report.classification.evaluated import read_evaluated

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE = 64


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of images of many sizes."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for label in range(3):
        folder = root / "val" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(3):
            size = random.integers(70, 140, 2)
            pixels = random.integers(0, 256, (*(size // 8), 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((int(size[1]), int(size[0])))
            image.save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """torchvision's network, and its bare state dict on disk."""
    torch.manual_seed(0)
    network = resnet18(num_classes=3).eval()
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), file)
    return network, file


def settings(root: Path, weights: Path, *more: str) -> ClassificationConfig:
    given = [
        f"data.root={root}",
        f"model.weights={weights}",
        "model.backbone=resnet18",
        f"data.mean={list(MEAN)}",
        f"data.std={list(STD)}",
        "test.resize=72",
        f"test.crop={SIDE}",
        "data.workers=0",
        "run.device=cpu",
        "run.precision=fp32",
    ]
    return load_config(ClassificationConfig, None, [*given, *more])


def probabilities(folder: Path) -> torch.Tensor:
    """Of all three classes, by class, from predictions.csv."""
    found = read_evaluated(folder).results
    rows = np.zeros(found.ranked.shape, dtype=np.float32)
    np.put_along_axis(rows, found.ranked, found.probabilities, axis=1)
    return torch.from_numpy(rows)


def images(root: Path) -> list[Image.Image]:
    found = read_class_images(root / "val", "val")
    return [Image.open(found.read(place)).convert("RGB") for place in range(len(found))]


TO_INPUT = v2.Compose(
    [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
)


def test_bare_weights_score_as_with_torchvisions_own_transforms(
    photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    network, file = theirs
    sheet = evaluate_settings(settings(photos, file), tmp_path)
    crop = v2.Compose([v2.Resize(72), v2.CenterCrop(SIDE), TO_INPUT])
    batch = torch.stack([crop(image) for image in images(photos)])
    with torch.no_grad():
        expected = network(batch).softmax(1)
    torch.testing.assert_close(probabilities(tmp_path), expected, rtol=0, atol=1e-5)
    labels = torch.arange(3).repeat_interleave(3)
    assert sheet is not None
    assert sheet.scores["val/top1"] == pytest.approx(
        float((expected.argmax(1) == labels).float().mean())
    )


def test_ten_crops_are_averaged(
    photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    network, file = theirs
    evaluate_settings(settings(photos, file, "test.views=ten"), tmp_path)
    crops = v2.Compose([v2.Resize(72), v2.TenCrop(SIDE)])
    with torch.no_grad():
        expected = torch.stack(
            [
                network(torch.stack([TO_INPUT(crop) for crop in crops(image)])).softmax(1).mean(0)
                for image in images(photos)
            ]
        )
    torch.testing.assert_close(probabilities(tmp_path), expected, rtol=0, atol=1e-5)


def test_scales_are_averaged_over_whole_images_and_their_mirrors(
    photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    network, file = theirs
    more = ("test.views=scales", "test.scales=[64,96]", "test.flip=true")
    evaluate_settings(settings(photos, file, *more), tmp_path)
    rows = []
    with torch.no_grad():
        for image in images(photos):
            seen = [TO_INPUT(v2.Resize(side)(image))[None] for side in (64, 96)]
            seen += [whole.flip(3) for whole in seen]
            rows.append(torch.cat([network(whole).softmax(1) for whole in seen]).mean(0))
    torch.testing.assert_close(probabilities(tmp_path), torch.stack(rows), rtol=0, atol=1e-5)


def test_an_ensemble_is_the_mean_of_its_members_probabilities(
    trained: Path, folders: Path, tmp_path: Path
) -> None:
    best, last = trained / "best.pt", trained / "last.pt"
    for name, file, more in (
        ("best", best, []),
        ("last", last, []),
        ("both", best, [f"test.ensemble=[{last}]"]),
    ):
        evaluate_checkpoint(file, more, tmp_path / name)
    single = (probabilities(tmp_path / "best") + probabilities(tmp_path / "last")) / 2
    torch.testing.assert_close(probabilities(tmp_path / "both"), single, rtol=0, atol=1e-6)


def test_an_ensemble_of_other_classes_is_refused(
    trained: Path, photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    more = f"test.ensemble=[{trained}]"
    with pytest.raises(UserError, match=r"test\.ensemble needs classifiers of the same classes"):
        evaluate_settings(settings(photos, theirs[1], more), tmp_path)


def test_precise_norms_are_the_means_of_the_batches_statistics() -> None:
    torch.manual_seed(0)
    model = resnet_backbones.create_classifier("resnet20", num_classes=3)
    pixels = torch.randint(0, 256, (4, 8, 3, 32, 32), dtype=torch.uint8)
    batches = [
        plain_batch(x, torch.zeros(8, dtype=torch.int64), torch.arange(8) + 1) for x in pixels
    ]
    member = Member.of(model)
    average_norms(member, batches, 20, torch.device("cpu"))  # three of the four batches
    with torch.no_grad():
        stems = [model.backbone.conv1(member.normalizer(x)) for x in pixels[:3]]
    means = torch.stack([x.mean((0, 2, 3)) for x in stems]).mean(0)
    variances = torch.stack([x.var((0, 2, 3)) for x in stems]).mean(0)
    norm = model.backbone.bn1
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1
    assert not model.training


def test_evaluation_says_what_it_is_of(
    photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    evaluate_settings(settings(photos, theirs[1]), tmp_path)
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["task"] == "classification"
    assert (content["images"], content["views"]) == (9, "one")
    assert content["weights"] == str(theirs[1])
    assert content["weights_hash"] == content_hash(read_tensors(theirs[1]))
    assert content["settings"]["model"]["weights"] == str(theirs[1])


def test_bare_weights_need_no_training_images_and_no_image_is_held_out(
    photos: Path, theirs: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    assert not (photos / "train").exists()
    sheet = evaluate_settings(settings(photos, theirs[1], "data.holdout=2"), tmp_path)
    assert sheet is not None
    assert len(read_evaluated(tmp_path).results) == 9
