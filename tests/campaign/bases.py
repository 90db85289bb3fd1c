"""The whole data sets, settings and runs that cases mutate copies of.

Detection data are pictures of 40x30 pixels with two kinds of rectangles, in every format that is
converted too; every image is read in a training of one step.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import class_data
import numpy as np
import tiny_classifier
import tiny_segmenter
import torch
from PIL import Image

from campaign.processes import Ended, call, command
from resnet_backbones.weights.files import read_tensors

OLD_RUN = Path(__file__).resolve().parents[1] / "frozen/0.1.0/run"
WIDTH = 40
HEIGHT = 30
NAMES = ("cat", "dog")
BOXES = (("cat", (2, 3, 20, 10)), ("dog", (20, 12, 15, 14)), ("dog", (5, 15, 10, 12)))
"""Label and (x, y, width, height) of the objects of every picture."""
SPLITS = {"train": (11, 12), "val": (21,)}
"""Ids of the pictures."""
DETECTION = """
task: detection
data: {batch_size: 2, short_edge: [48], long_edge: 64, workers: 0}
model:
  backbone: timm:test_resnet
  norm: batch
  pyramid_channels: 16
  anchors: {sizes: [8, 16, 32, 64, 128]}
  rpn: {samples: 32, train_pre_nms: 50, train_post_nms: 32, test_pre_nms: 50, test_post_nms: 32}
  roi: {hidden: 32, samples: 16, score_threshold: 0.0}
optim: {name: adamw, lr: 0.001, reference_batch: 2, ema_decay: 0.9}
schedule: {steps: 1, warmup_steps: 0}
run: {device: cpu, precision: fp32, eval_every: 0, log_every: 1}
"""


def write_bases(base: Path) -> None:
    """Write everything into an empty folder."""
    (base / "detection.yaml").write_text(DETECTION)
    for task in ("segmentation", "classification"):
        (base / f"{task}.yaml").write_text(f"task: {task}\n")
    write_coco(base / "coco")
    write_voc(base / "voc")
    write_yolo(base / "yolo")
    write_csv(base / "csv")
    write_results(base / "results")
    tiny_segmenter.write_masks(base / "masks")
    for name, write in class_data.KINDS.items():
        write(base / "classes" / name)


def run_words(base: Path) -> list[object]:
    """The training of the run in base/run, whose files are those that are damaged."""
    words = ["train", base / "detection.yaml", *coco_words(base / "coco"), "schedule.steps=2"]
    return [*words, f"run.output_dir={base / 'run'}", "run.keep_every=1"]


def finish_run(base: Path) -> None:
    """Put other files with weights beside the run's."""
    exported = base / "run/weights.safetensors"
    must(command(["export-weights", base / "run", exported], base))
    must(call(lambda: torch.save(read_tensors(exported), base / "run/weights.pth"), base))
    shutil.copy(OLD_RUN / "last.pt", base / "run/of_0.1.0.pt")
    for kind in ("zip", "tar"):
        shutil.copy(base / f"classes/{kind}/train.{kind}", base / f"run/train.{kind}")


def must(ended: Ended) -> None:
    assert ended.status == 0, ended.error


def coco_words(folder: Path) -> list[str]:
    """Settings for the pictures and annotations of a folder."""
    words: list[str] = []
    for split in SPLITS:
        words.append(f"data.{split}.images={folder / split}")
        words.append(f"data.{split}.annotations={folder / split}.json")
    return words


def segmentation_words(root: Path) -> list[str]:
    """All settings of a training of a segmenter, whose one step reads every image."""
    changes: dict[str, Any] = {"model__backbone": "timm:test_resnet", "model__norm": "batch"}
    changes |= {"data__batch_size": 8, "schedule__steps": 1, "schedule__warmup_steps": 0}
    return tiny_segmenter.arguments(root, **changes, schedule__reference_steps=1)


def classification_words(root: Path) -> list[str]:
    """All settings of a training of a classifier, whose one step reads every image."""
    changes = {"data__batch_size": 18, "schedule__steps": 1}
    return tiny_classifier.arguments(root, **changes)


def picture(number: int) -> Image.Image:
    """Noise with a rectangle for each object."""
    noise = np.random.default_rng(number)
    pixels = noise.integers(0, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for label, (x, y, width, height) in BOXES:
        pixels[y : y + height, x : x + width] += np.uint8(40 + 60 * NAMES.index(label))
    return Image.fromarray(pixels)


def document(split: str) -> dict[str, Any]:
    """Annotations as COCO's, with a polygon and a mask of run lengths in each picture."""
    annotations: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for number in SPLITS[split]:
        file_name = f"{number}.png"
        images.append({"id": number, "file_name": file_name, "width": WIDTH, "height": HEIGHT})
        for label, (x, y, width, height) in BOXES:
            record = {"id": len(annotations) + 1, "image_id": number, "iscrowd": 0}
            record |= {"category_id": NAMES.index(label) + 1, "bbox": [x, y, width, height]}
            record |= {"area": width * height}
            outline = [x, y, x + width, y, x + width, y + height, x, y + height]
            record["segmentation"] = [outline] if label == "cat" else _runs(x, y, width, height)
            annotations.append(record)
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(NAMES)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _runs(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    """A rectangle as run lengths down the columns."""
    counts = [x * HEIGHT + y]
    for _ in range(width - 1):
        counts += [height, HEIGHT - height]
    counts.append(height)
    counts.append(WIDTH * HEIGHT - sum(counts))
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def _save_pictures(folder: Path, split: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in SPLITS[split]:
        picture(number).save(folder / f"{number}.png")


def write_coco(folder: Path) -> None:
    """SPLIT/*.png and SPLIT.json."""
    for split in SPLITS:
        _save_pictures(folder / split, split)
        (folder / f"{split}.json").write_text(json.dumps(document(split)))


def write_voc(folder: Path) -> None:
    """Pascal VOC's folders, with the list `train`."""
    _save_pictures(folder / "JPEGImages", "train")
    (folder / "Annotations").mkdir()
    for number in SPLITS["train"]:
        objects: list[str] = []
        for label, (x, y, width, height) in BOXES:
            corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
            box = "".join(f"<{name}>{value}</{name}>" for name, value in corners.items())
            flags = "<difficult>0</difficult><truncated>0</truncated>"
            objects.append(f"<object><name>{label}</name>{flags}<bndbox>{box}</bndbox></object>")
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        head = f"<filename>{number}.png</filename>{size}"
        text = "\n".join(["<annotation>", head, *objects, "</annotation>", ""])
        (folder / "Annotations" / f"{number}.xml").write_text(text)
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{number}\n" for number in SPLITS["train"]))


def write_yolo(folder: Path) -> None:
    """data.yaml, images/train and labels/train."""
    _save_pictures(folder / "images" / "train", "train")
    labels = folder / "labels" / "train"
    labels.mkdir(parents=True)
    for number in SPLITS["train"]:
        lines: list[str] = []
        for label, (x, y, width, height) in BOXES:
            middle = ((x + width / 2) / WIDTH, (y + height / 2) / HEIGHT)
            numbers = (*middle, width / WIDTH, height / HEIGHT)
            lines.append(" ".join([str(NAMES.index(label)), *(f"{n:.6f}" for n in numbers)]))
        (labels / f"{number}.txt").write_text("\n".join(lines) + "\n")
    names = "".join(f"  {place}: {name}\n" for place, name in enumerate(NAMES))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/train\nnames:\n{names}")


def write_csv(folder: Path) -> None:
    """boxes.csv beside its pictures."""
    _save_pictures(folder, "train")
    lines = ["filename,class,xmin,ymin,xmax,ymax"]
    for number in SPLITS["train"]:
        for label, (x, y, width, height) in BOXES:
            lines.append(f"{number}.png,{label},{x},{y},{x + width},{y + height}")
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")


def write_results(folder: Path) -> None:
    """results.json of the annotations in gt.json."""
    folder.mkdir()
    truth = document("train")
    results: list[dict[str, Any]] = []
    for place, record in enumerate(truth["annotations"]):
        result = {key: record[key] for key in ("image_id", "category_id", "bbox")}
        results.append(result | {"score": 0.9 - 0.1 * place})
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(results))
