"""Settings of a classifier's data set and batches.  Imports no torch."""

import re
from dataclasses import dataclass
from typing import Literal

from tasks.engine.setting_declarations import may_change, require
from tasks.engine.settings import TIMEOUT

_ADDRESS = re.compile(r"pipe:|[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_READ_FROM = ("http://", "https://", "s3://", "gs://")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Data set and batches."""

    root: str = may_change("")
    """Folder of the splits: class folders train/ and val/, or each as a zip or tar, ImageNet's
    tree, CIFAR's python archive, train.csv and val.csv, or train-*.tar shards."""
    train: str | None = may_change(None)
    """Training images, if not found by their names under `root`: a folder, an archive, a CSV of
    files and labels, a pattern of shards, or a pattern of shard addresses, read as a stream:
    https://host/train-{0000..0146}.tar, or http, s3 or gs."""
    train_images: int | None = None
    """Number of images in a stream, as it cannot be counted; null without a stream."""
    shuffle_buffer: int = 2000
    """Number of undecoded images of a stream that each worker holds to shuffle."""
    val: str | None = may_change(None)
    """Validation images, of the same kinds."""
    holdout: int = 0
    """Number of training images, drawn by run.seed, that are held out and scored instead of the
    validation images; 0 for none."""
    train_scored: int | None = may_change(None, unless="follows_scores")
    """Number of training images that run.eval_sets=[val, train] scores, the same ones with every
    seed; null for all."""
    batch_size: int = 256
    """Images per optimiser step, over all ranks and micro-batches."""
    decoded: bool = False
    """Decode all images once, and keep and augment them on the training device. For images of one
    size that fit into its memory, such as CIFAR's."""
    mean: tuple[float, ...] | None = None
    """Mean of each channel for normalisation, in units where white is 1; null takes that of the
    weights, or ImageNet's."""
    std: tuple[float, ...] | None = None
    """Standard deviation of each channel; goes with `mean`."""
    unreadable: float = may_change(0.001)
    """Largest share of a split's images that may be unreadable; they are named and left out."""
    exif: Literal["apply", "ignore"] = "apply"
    """Whether EXIF rotation is applied to the pixels."""
    workers: int = may_change(2)
    """Loader processes per rank; 0 loads in the main process. A decoded set needs none; a stream is
    resumed with the same number."""
    timeout: float = may_change(TIMEOUT)
    """Seconds to wait for a batch of the loader processes before the run ends with an error; not
    used with 0 workers."""

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "data.batch_size must be >= 1", self.batch_size)
        require(self.holdout >= 0, "data.holdout must be >= 0", self.holdout)
        enough = self.train_scored is None or self.train_scored >= 1
        require(enough, "data.train_scored must be >= 1 or null", self.train_scored)
        require(0 <= self.unreadable < 1, "data.unreadable must be in [0, 1)", self.unreadable)
        require(self.workers >= 0, "data.workers must be >= 0", self.workers)
        require(self.timeout > 0, "data.timeout must be > 0", self.timeout)
        given = [values for values in (self.mean, self.std) if values is not None]
        rule = "data.mean and data.std go together, with a value for each of three channels"
        fits = all(len(values) == 3 for values in given) and len(given) != 1
        require(fits, rule, (self.mean, self.std))
        require(self.std is None or min(self.std) > 0, "data.std must be > 0", self.std)
        self._check_stream()

    @property
    def streamed(self) -> bool:
        """Whether training images are read from addresses of shards."""
        return self.train is not None and _ADDRESS.match(self.train) is not None

    def _check_stream(self) -> None:
        rule = "data.shuffle_buffer must be >= 1"
        require(self.shuffle_buffer >= 1, rule, self.shuffle_buffer)
        if not self.streamed:
            rule = "data.train_images goes with addresses of shards in data.train; set it to null"
            require(self.train_images is None, rule, self.train_images)
            return
        rule = "addresses in data.train must be http, https, s3 or gs, and never a command"
        require(str(self.train).startswith(_READ_FROM), rule, self.train)
        counted = self.train_images is not None and self.train_images >= 1
        rule = "data.train_images must say how many images the stream of data.train has"
        require(counted, rule, self.train_images)
        rule = "data.holdout must be 0 with a stream of shards, as no image of it can be chosen"
        require(self.holdout == 0, rule, self.holdout)
        rule = "data.decoded must be false with a stream of shards, which is not kept in memory"
        require(not self.decoded, rule, self.decoded)
