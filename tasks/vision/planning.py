"""How settings place images and make batches of them, before any is read.

N images; sizes are (height, width) in pixels.
"""

from collections.abc import Iterable, Iterator, Sequence

from tasks.vision.padding import Size, largest_size, padded_side, round_up
from tasks.vision.placement import Placement, jittered, resized_size
from tasks.vision.settings import ImageDataConfig

DRAWS = 5
"""Numbers that a placement in training is drawn from: the edge, the flip, and the scale, top and
left of the jitter."""


def draw_placement(original: Size, draws: Sequence[float], config: ImageDataConfig) -> Placement:
    """Placement in training of an image by DRAWS numbers, each in [0, 1)."""
    edges = config.short_edge
    size = _resized(original, edges[int(draws[0] * len(edges))], config)
    flip = draws[1] < config.flip
    if config.scale_jitter is None:
        return Placement(size, flip=flip)
    low, high = config.scale_jitter
    side = config.scale_jitter_side
    target = size if side is None else (side, side)
    factor = low + draws[2] * (high - low)
    size, crop = jittered(original, target, factor, (draws[3], draws[4]))
    return Placement(size, crop, flip)


def evaluation_placement(original: Size, config: ImageDataConfig) -> Placement:
    """Placement of an image in evaluation and prediction."""
    return Placement(_resized(original, config.test_short_edge, config))


def training_padding(sizes: Iterable[Size], config: ImageDataConfig) -> Size:
    """Padded size of a training batch: one of few, so that little is compiled and allocated."""
    height, width = largest_size(sizes)
    divisor = config.size_divisor
    longest = config.long_edge
    return padded_side(height, divisor, longest), padded_side(width, divisor, longest)


def evaluation_padding(sizes: Iterable[Size], config: ImageDataConfig) -> Size:
    """Padded size of a batch in evaluation: the next multiples of data.size_divisor."""
    height, width = largest_size(sizes)
    return round_up(height, config.size_divisor), round_up(width, config.size_divisor)


def same_size_batches(
    placements: Sequence[Placement], config: ImageDataConfig, batch_size: int
) -> Iterator[tuple[Size, list[int]]]:
    """Batches of at most `batch_size` images of one padded size, as that size and positions among
    the N placements; the largest size comes first.

    An image's padding, and with it what a network makes of it, then depends neither on its
    neighbours nor on batch size and ranks.
    """
    by_size: dict[Size, list[int]] = {}
    for position, placement in enumerate(placements):
        padded_size = evaluation_padding([placement.final_size], config)
        by_size.setdefault(padded_size, []).append(position)
    for padded_size in sorted(by_size, key=lambda size: (-size[0] * size[1], size)):
        positions = by_size[padded_size]
        for start in range(0, len(positions), batch_size):
            yield padded_size, positions[start : start + batch_size]


def _resized(original: Size, short_edge: int, config: ImageDataConfig) -> Size:
    return resized_size(original, short_edge, config.long_edge, config.resize_rounding)
