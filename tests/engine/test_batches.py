"""The weight of a micro-batch: one loss and one gradient, however a step's images are dealt out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError
from tasks.engine.batches import Feed, TensorBatch
from tasks.engine.distributed import World
from tasks.engine.evaluation import mean_losses, run_batches
from tasks.engine.optim import build_optimizer
from tasks.engine.precision import Precision
from tasks.engine.settings import OptimConfig
from tasks.engine.step import Arithmetic, RunningStatistics, train_step

CPU = torch.device("cpu")
WORLD = World(0, 0, 1, CPU)


@dataclass(frozen=True)
class PixelBatch(TensorBatch):
    """Images of pixels, of which only the valid ones count."""

    pixels: Tensor  # (B, P)
    valid: Tensor  # (B, P) bool
    image_ids: Tensor  # (B,)

    @property
    def weight(self) -> float:
        return float(self.valid.sum())


class PixelObjective(nn.Module):
    """Mean square error over the valid pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, batch: PixelBatch) -> dict[str, Tensor]:
        errors = (self.scale * batch.pixels - 1).square()
        count = batch.valid.sum().clamp(min=1)
        return {"square": torch.where(batch.valid, errors, 0).sum() / count}


@dataclass(frozen=True)
class TwoMeansBatch(PixelBatch):
    """A loss is over the images that have a valid pixel."""

    @property
    def loss_weights(self) -> dict[str, float]:
        return {"image": float(self.valid.any(dim=1).sum())}


class TwoMeansObjective(PixelObjective):
    """Also the mean over images of the mean of each."""

    def forward(self, batch: PixelBatch) -> dict[str, Tensor]:
        errors = torch.where(batch.valid, (self.scale * batch.pixels - 1).square(), 0)
        means = errors.sum(dim=1) / batch.valid.sum(dim=1).clamp(min=1)
        of_images = means.sum() / batch.valid.any(dim=1).sum().clamp(min=1)
        return {**super().forward(batch), "image": of_images}


def images() -> PixelBatch:
    """Four images with 6, 1, 3 and no valid pixels."""
    pixels = torch.arange(24.0).view(4, 6) / 10
    valid = torch.arange(6)[None] < torch.tensor([[6], [1], [3], [0]])
    return PixelBatch(pixels, valid, torch.arange(1, 5))


def parts(batch: PixelBatch, *sizes: int) -> list[PixelBatch]:
    columns = zip(
        *(column.split(sizes) for column in (batch.pixels, batch.valid, batch.image_ids)),
        strict=True,
    )
    return [PixelBatch(*column) for column in columns]


def gradient(
    world: World,
    batches: Sequence[PixelBatch],
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], PixelObjective] = PixelObjective,
) -> Any:
    """Gradient and first logged loss of a step of these micro-batches, before the update."""
    objective = make()
    optimizer = build_optimizer(objective, OptimConfig())
    seen: list[Tensor] = []
    monkeypatch.setattr(
        optimizer,
        "step",
        lambda: seen.append(objective.scale.grad.clone()),  # type: ignore[union-attr]
    )
    taken = Feed(iter(batches), world).take(len(batches))
    arithmetic = Arithmetic(CPU, Precision("fp32", "cpu"))
    statistics = RunningStatistics(objective)
    result = train_step(objective, taken, optimizer, statistics, arithmetic, lambda _: None)
    return float(seen[0]), float(result.values[0])


def by_hand() -> tuple[float, float]:
    """Gradient and loss over the ten valid pixels of all images."""
    batch = images()
    x = batch.pixels[batch.valid].double()
    return float((2 * (2 * x - 1) * x).mean()), float((2 * x - 1).square().mean())


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (1, 1, 1, 1), (3, 1)])
def test_micro_batches_of_other_weights_give_the_gradient_of_the_whole(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = gradient(WORLD, parts(images(), *sizes), monkeypatch)
    assert found == pytest.approx(by_hand(), rel=1e-6)


class OneOfTwo(World):
    """A rank of two whose other rank has images of a known weight."""

    other_weight = 0.0
    other_images = 0.0

    def sum(self, values: Any) -> list[float]:
        if len(values) == 1:  # the weights of named losses
            return [values[0] + self.other_images]
        weight, failures = values
        return [weight + self.other_weight, failures]


def test_ranks_of_other_weights_give_the_gradient_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DDP takes the mean over ranks, also where all images of a rank are ignored."""
    for sizes in ((2, 2), (3, 1), (1, 3)):
        found = []
        own = parts(images(), *sizes)
        for rank in (0, 1):
            world = OneOfTwo(rank, rank, 2, CPU)
            object.__setattr__(world, "other_weight", own[1 - rank].weight)
            found.append(gradient(world, [own[rank]], monkeypatch))
        means = [sum(values) / 2 for values in zip(*found, strict=True)]
        assert means == pytest.approx(by_hand(), rel=1e-6)


def two_means(*sizes: int) -> list[TwoMeansBatch]:
    return [
        TwoMeansBatch(batch.pixels, batch.valid, batch.image_ids)
        for batch in parts(images(), *sizes)
    ]


def gradient_of_two_means() -> float:
    """Over the ten valid pixels, and over the three images that have any."""
    batch = images()
    slopes = 2 * (2 * batch.pixels.double() - 1) * batch.pixels
    of_images = [float(slopes[row][batch.valid[row]].mean()) for row in range(3)]
    return by_hand()[0] + sum(of_images) / 3


@pytest.mark.parametrize("sizes", [(4,), (2, 2), (1, 1, 1, 1), (3, 1)])
def test_a_mean_over_images_beside_one_over_pixels_keeps_its_gradient(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = gradient(WORLD, two_means(*sizes), monkeypatch, TwoMeansObjective)
    assert found == pytest.approx(gradient_of_two_means(), rel=1e-6)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 1), (1, 3)])
def test_ranks_keep_the_gradient_of_a_mean_over_images_beside_one_over_pixels(
    sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []
    own = two_means(*sizes)
    for rank in (0, 1):
        world = OneOfTwo(rank, rank, 2, CPU)
        other = own[1 - rank]
        object.__setattr__(world, "other_weight", other.weight)
        object.__setattr__(world, "other_images", other.loss_weights["image"])
        found.append(gradient(world, [own[rank]], monkeypatch, TwoMeansObjective)[0])
    assert sum(found) / 2 == pytest.approx(gradient_of_two_means(), rel=1e-6)


def test_shares_of_named_losses_are_their_own() -> None:
    step = Feed(iter(two_means(3, 1)), WORLD).take(2)
    assert [shares.of("square") for shares in step.shares] == [1, 0]
    step = Feed(iter(two_means(1, 3)), WORLD).take(2)
    assert [shares.of("square") for shares in step.shares] == pytest.approx([0.6, 0.4])
    assert [shares.of("image") for shares in step.shares] == pytest.approx([1 / 3, 2 / 3])


def test_validation_losses_with_weights_of_their_own_are_means_over_those() -> None:
    def compute(batch: PixelBatch) -> tuple[None, dict[str, Tensor]]:
        return None, TwoMeansObjective()(batch)

    parts_of_losses = [run_batches(two_means(1, 3), WORLD, compute)[1]]
    whole = compute(images())[1]
    expected = {name: pytest.approx(loss.item(), rel=1e-6) for name, loss in whole.items()}
    assert mean_losses(parts_of_losses) == expected


def test_a_step_without_any_weight_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = parts(images(), 3, 1)[1]
    assert gradient(WORLD, [batch], monkeypatch) == (0.0, 0.0)


def test_validation_losses_are_means_over_the_weights_and_nothing_counts_without_any() -> None:
    def compute(batch: PixelBatch) -> tuple[int, dict[str, Tensor]]:
        errors = (2 * batch.pixels - 1).square()[batch.valid]
        return len(batch), {"square": errors.mean()}  # nan without a valid pixel

    batches = parts(images(), 1, 1, 1, 1)
    assert batches[-1].weight == 0
    counts, sums = run_batches(batches, WORLD, compute)
    assert counts == [1, 1, 1, 1]
    assert mean_losses([sums]) == {"square": pytest.approx(by_hand()[1], rel=1e-6)}


def test_a_failure_of_the_stream_is_raised_once_all_know_of_it() -> None:
    def stream() -> Iterator[PixelBatch]:
        yield images()
        raise UserError("image 7 is cut off")

    feed = Feed(stream(), WORLD)
    feed.take(1)
    with pytest.raises(UserError, match="image 7 is cut off"):
        feed.take(1)


def test_a_toy_batch_moves_all_its_tensors(toy: ModuleType) -> None:
    batch = images().to(torch.device("meta"))
    assert {batch.pixels.device.type, batch.image_ids.device.type} == {"meta"}
    assert len(batch) == 4
