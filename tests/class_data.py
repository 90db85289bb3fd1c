"""The same small data set of classes in every form that is read."""

import csv
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 40, 200), "green": (30, 190, 50), "red": (210, 40, 30)}
NAMES = tuple(COLOURS)
COUNTS = {"train": 6, "val": 4}


def draw(split: str, label: int, number: int, size: int = 24) -> np.ndarray:
    """A noisy image of one colour (size, size, 3) uint8."""
    random = np.random.default_rng([len(split), label, number])
    noise = random.integers(-25, 26, (size, size, 3))
    return np.clip(np.array(COLOURS[NAMES[label]]) + noise, 0, 255).astype(np.uint8)


def rows(split: str) -> list[tuple[str, int, np.ndarray]]:
    """Name, label and pixels of each image, by class."""
    found = []
    for label, name in enumerate(NAMES):
        for number in range(COUNTS[split]):
            found.append((f"{name}/{number:03d}.png", label, draw(split, label, number)))
    return found


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def folders(root: Path) -> Path:
    for split in COUNTS:
        for name, _, pixels in rows(split):
            file = root / split / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(pixels))
    return root


def zips(root: Path) -> Path:
    root.mkdir(parents=True)
    for split in COUNTS:
        with zipfile.ZipFile(root / f"{split}.zip", "w") as archive:
            for name, label, pixels in rows(split):
                packed = zipfile.ZIP_DEFLATED if label == 1 else zipfile.ZIP_STORED
                archive.writestr(name, png(pixels), packed)
    return root


def tars(root: Path) -> Path:
    root.mkdir(parents=True)
    for split in COUNTS:
        with tarfile.open(root / f"{split}.tar", "w") as archive:
            for name, _, pixels in rows(split):
                add(archive, f"{split}/{name}", png(pixels))
    return root


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def shards(root: Path) -> Path:
    root.mkdir(parents=True)
    for split in COUNTS:
        found = rows(split)
        for shard in range(2):
            with tarfile.open(root / f"{split}-{shard:04d}.tar", "w") as archive:
                for number, (_, label, pixels) in enumerate(found):
                    if number % 2 == shard:
                        add(archive, f"{number:06d}.png", png(pixels))
                        add(archive, f"{number:06d}.cls", str(label).encode())
    (root / "classes.txt").write_text("\n".join(NAMES) + "\n")
    return root


def table(root: Path) -> Path:
    folders(root)
    for split in COUNTS:
        with (root / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "label"])
            for name, label, _ in rows(split):
                writer.writerow([f"pictures/{split}/{name}", NAMES[label]])
    (root / "pictures").mkdir()
    for split in COUNTS:
        (root / split).rename(root / "pictures" / split)
    return root


def cifar(root: Path) -> Path:
    """CIFAR-10's python folder with three classes, images being 32 pixels wide."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [f"data_batch_{i}" for i in range(1, 6)]
    for split, files in (("train", names), ("val", ["test_batch"])):
        data, labels = [], []
        for label in range(3):
            for number in range(COUNTS[split]):
                data.append(draw(split, label, number, 32).transpose(2, 0, 1).reshape(-1))
                labels.append(label)
        parts = np.array_split(np.arange(len(labels)), len(files))
        for name, part in zip(files, parts, strict=True):
            content = {
                "data": np.stack([data[i] for i in part]),
                "labels": [labels[i] for i in part],
                "batch_label": name,
            }
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    meta = {"label_names": list(NAMES), "num_cases_per_batch": 4}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return root


KINDS: dict[str, Callable[[Path], Path]] = {
    "folders": folders,
    "zip": zips,
    "tar": tars,
    "shards": shards,
    "csv": table,
    "cifar": cifar,
}
