"""Read training images from WebDataset shards at addresses.  S shards, K classes.

A shard is read from beginning to end; its content is unknown before.
"""

import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.addresses import open_address, without_query
from tasks.datasets.class_images.shards import image_and_label, read_label
from tasks.errors import DataError
from tasks.labels import LabelMap

WAITS = (1.0, 5.0, 20.0)
"""Seconds before each further try, if a connection broke and nothing new was read since."""
_NUMBER_BITS = 32  # bits of a place, below the shard's number
_BROKEN = (ConnectionError, tarfile.TarError, EOFError)


@dataclass(frozen=True)
class RemoteSample:
    """An image of a shard."""

    number: int
    """Number in its shard, from 0."""
    image: bytes
    label: int


@dataclass(frozen=True)
class RemoteShards:
    """Images with labels that count the classes of another data set, in its order."""

    path: str
    """The pattern that the addresses were made from."""
    addresses: tuple[str, ...]  # (S,)
    images: int
    """Number of images, as stated by the user."""
    label_map: LabelMap  # of K classes
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.images

    def place(self, shard: int, number: int) -> int:
        """Return the number of an image among all shards, by shard and position."""
        return shard << _NUMBER_BITS | number

    def name(self, place: int) -> str:
        """Return the name of the image at a place, for messages."""
        shard, number = self._split(place)
        return f"{without_query(self.addresses[shard])}: sample {number}"

    def read(self, place: int) -> bytes:
        """Read a single image file; reads its shard up to it."""
        shard, number = self._split(place)
        return next(self.samples(shard, number)).image

    def samples(self, shard: int, first: int = 0) -> Iterator[RemoteSample]:
        """Read the images of shard 0..S-1 from the one with the number `first` on.

        If the connection breaks, the shard is read again. Raises UserError if that does not
        help, and DataError for a sample without an image or a label of 0..K-1.
        """
        address = self.addresses[shard]
        reached = first
        failures = 0
        while True:
            try:
                for number, sample in enumerate(_read_once(address)):
                    if number < reached:
                        continue
                    yield self._sample(address, number, sample)
                    reached = number + 1
                    failures = 0
                break
            except _BROKEN as error:
                if failures == len(WAITS):
                    raise _broken(address, reached, error) from error
                time.sleep(WAITS[failures])
                failures += 1
        if reached == 0:
            rule = "shards must hold samples, KEY.jpg with KEY.cls, got none in"
            raise DataError(f"{rule} {without_query(address)}", "write it again, or leave it out")

    def _sample(self, address: str, number: int, content: Mapping[str, Any]) -> RemoteSample:
        """Return the image and the label of a sample that WebDataset read."""
        shard = without_query(address)
        key = content["__key__"]
        parts: dict[str, tuple[str, bytes]] = {}
        for ending, part in content.items():
            if not ending.startswith("__"):
                parts[ending] = (ending, part)
        (_, image), (ending, text) = image_and_label(shard, key, parts)
        label = read_label(shard, f"{key}.{ending}", text)
        classes = self.label_map.num_classes
        if label >= classes:
            rule = f"a label must count one of the {classes} classes of the validation images"
            seen = f"got {label} in {key}.{ending} of {shard}"
            raise DataError(f"{rule}, {seen}", "give data.val with the same classes")
        return RemoteSample(number, image, label)

    def _split(self, place: int) -> tuple[int, int]:
        """The shard and the number of an image."""
        return place >> _NUMBER_BITS, place & ((1 << _NUMBER_BITS) - 1)


def _read_once(address: str) -> Iterator[Mapping[str, Any]]:
    """Yield the samples of a shard, which WebDataset makes of its files, by their endings.

    WebDataset itself opens nothing, as it might start commands to do so.
    """
    from webdataset.tariterators import group_by_keys, tar_file_expander

    with open_address(address) as stream:
        files = tar_file_expander([{"url": address, "stream": stream}])
        try:
            yield from group_by_keys(files)
        except UserError as error:
            raise UserError(error.args[0]) from error  # WebDataset adds text to errors
        except ValueError as error:
            rule = f"{without_query(address)} must be a shard of samples"
            raise DataError(f"{rule}, got: {error.args[0]}", "write it again") from error


def _broken(address: str, reached: int, error: BaseException) -> UserError:
    reason = str(error.args[0]).partition(" @ ")[0] if error.args else type(error).__name__
    seen = f"broke {len(WAITS) + 1} times at sample {reached} ({reason})"
    return UserError(
        f"reading {without_query(address)} {seen}; check the connection, or write the shard again"
    )
