"""Small class images for tests: pictures, folders of them, archives, CIFAR's files, shards."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.datasets.class_images.class_images import ClassImages
from tasks.images import decode

TREE = ("dog/b.jpg", "cat/2.png", "cat/10.png", "cat/deep/1.png", "cat-big/x.jpeg")
"""Files of three classes, not in their order."""
SORTED = ["cat/10.png", "cat/2.png", "cat/deep/1.png", "cat-big/x.jpeg", "dog/b.jpg"]
LABELS = [0, 0, 0, 1, 2]


def picture(name: str, side: int = 12) -> bytes:
    """A PNG whose pixels depend on the name."""
    seed = int.from_bytes(name.encode()[-8:], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_tree(root: Path, names: Iterable[str] = TREE) -> Path:
    """Files of pictures in folders."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name))
    return root


def write_zip(path: Path, names: Iterable[str] = TREE, top: str = "", method: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(f"{top}{name}", picture(name))
    return path


def write_tar(
    path: Path, files: Iterable[str] | Mapping[str, bytes] = TREE, top: str = "", mode: str = "w"
) -> Path:
    """A tar of pictures, or of the content that is given."""
    contents = files if isinstance(files, Mapping) else {name: picture(name) for name in files}
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"{top}{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def sample(key: str, label: int) -> dict[str, bytes]:
    """The files of a shard's sample."""
    return {f"{key}.png": picture(key), f"{key}.cls": str(label).encode()}


def write_cifar10(folder: Path, images: int = 2) -> dict[str, np.ndarray]:
    """CIFAR-10's files with few images, and the rows of each."""
    folder.mkdir()
    rows = {}
    for seed, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        data = np.random.default_rng(seed).integers(0, 256, (images, 3072), dtype=np.uint8)
        labels = [(seed + number) % 3 for number in range(images)]
        rows[name] = data
        write_pickle(folder / name, {"data": data, "labels": labels})
    write_pickle(folder / "batches.meta", {"label_names": ["plane", "car", "bird"]})
    return rows


def write_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


def names_of(images: ClassImages) -> list[str]:
    return [images.name(index) for index in range(len(images))]


def pixels_of(images: ClassImages) -> list[np.ndarray]:
    return [decode(images.read(index)) for index in range(len(images))]


def holds_tree(images: ClassImages) -> bool:
    """Whether the images are those of TREE, in their order, by their pixels and labels."""
    wanted = [decode(picture(name)) for name in SORTED]
    same = [np.array_equal(*pair) for pair in zip(pixels_of(images), wanted, strict=True)]
    return all(same) and images.labels.tolist() == LABELS
