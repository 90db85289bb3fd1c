"""Fuzzed inputs: each case checks, converts, trains, predicts or scores, as it applies."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import class_data
from mutate.coco import mutate as mutate_document
from mutate.files import mutate_text

from campaign import bases, extremes
from campaign.kind import Kind, Place
from campaign.outcomes import Verdict, judge
from campaign.processes import Ended, command

OTHERS = ("data.yaml", "11.txt", "12.txt", "11.xml", "12.xml", "train.txt", "boxes.csv")
"""Files that a mutated one may contradict, of which a refusal may name either."""
SPLITS = ("data.train", "data.val")
"""Settings that name a data set as well as its file does."""


def fuzz_coco(place: Place) -> Verdict:
    """Mutate the annotations of a split, then check and train."""
    split = place.chance.choices(("train", "val"), (4, 1))[0]
    shutil.copytree(place.base / "coco", place.folder, dirs_exist_ok=True)
    document = bases.document(split)
    if place.chance.random() < 0.15:
        mutation = place.chance.choice(extremes.DOCUMENTS)
        changed = mutation(document, place.chance)
        said = mutation.__name__
    else:
        changed = mutate_document(document, place.chance)
        said = "a document"
    content, done = extremes.write_document(changed, place.chance)
    (place.folder / f"{split}.json").write_bytes(content)
    pasting = place.chance.choice((0, 0, 1))
    steps = check_and_train(place, [f"data.copy_paste={pasting}"])
    return judge(f"{split}: {done or said}", steps, (f"{split}.json", *_pictures(), *SPLITS))


def fuzz_images(place: Place) -> Verdict:
    """Mutate a picture, then check, train and predict."""
    split = place.chance.choices(("train", "val"), (4, 1))[0]
    shutil.copytree(place.base / "coco", place.folder, dirs_exist_ok=True)
    path = place.folder / split / f"{bases.SPLITS[split][0]}.png"
    said = extremes.mutate_picture(path, place.chance)
    steps = check_and_train(
        place, ["data.check_sizes=false"] if place.chance.random() < 0.5 else []
    )
    words = ["predict", place.base / "run", split, "--out", "found", "--device", "cpu"]
    steps["predict"] = command([*words, "--precision", "fp32"], place.folder)
    return judge(f"{path.name}: {said}", steps, (path.name,))


def fuzz_voc(place: Place) -> Verdict:
    """Mutate an XML file, the list of a split or a picture, then convert, check and train."""
    shutil.copytree(place.base / "voc", place.folder / "voc")
    draw = place.chance.random()
    if draw < 0.4:
        path = place.folder / "voc/Annotations/11.xml"
        said = _rewrite(path, mutate_text, place.chance)
    elif draw < 0.75:
        path = place.folder / "voc/Annotations/11.xml"
        said = _rewrite(path, extremes.mutate_xml, place.chance)
    elif draw < 0.9:
        path = place.folder / "voc/ImageSets/Main/train.txt"
        said = _rewrite(path, mutate_text, place.chance)
    else:
        path = place.folder / "voc/JPEGImages/11.png"
        said = extremes.mutate_picture(path, place.chance)
    return _convert(place, ["voc", "voc", "train.json", "--split", "train"], path, said)


def fuzz_yolo(place: Place) -> Verdict:
    """Mutate a label file, data.yaml or a picture, then convert, check and train."""
    shutil.copytree(place.base / "yolo", place.folder / "yolo")
    draw = place.chance.random()
    if draw < 0.55:
        path = place.folder / "yolo/labels/train/11.txt"
        said = _rewrite(path, mutate_text, place.chance)
    elif draw < 0.7:
        path = place.folder / "yolo/data.yaml"
        said = _rewrite(path, mutate_text, place.chance)
    elif draw < 0.9:
        path = place.folder / "yolo/data.yaml"
        said = _rewrite(path, extremes.mutate_yaml, place.chance)
    else:
        path = place.folder / "yolo/images/train/11.png"
        said = extremes.mutate_picture(path, place.chance)
    return _convert(place, ["yolo", "yolo/data.yaml", "train.json"], path, said)


def fuzz_csv(place: Place) -> Verdict:
    """Mutate a table or a picture, then convert, check and train."""
    shutil.copytree(place.base / "csv", place.folder / "csv")
    path = place.folder / "csv/boxes.csv"
    if place.chance.random() < 0.9:
        said = _rewrite(path, mutate_text, place.chance)
    else:
        path = place.folder / "csv/11.png"
        said = extremes.mutate_picture(path, place.chance)
    return _convert(place, ["csv", "csv/boxes.csv", "train.json"], path, said)


def fuzz_results(place: Place) -> Verdict:
    """Mutate a results file or the annotations that it is scored with, then score it."""
    shutil.copytree(place.base / "results", place.folder, dirs_exist_ok=True)
    name = place.chance.choices(("results.json", "gt.json"), (4, 1))[0]
    said = _rewrite(place.folder / name, mutate_text, place.chance)
    words = ["eval", "--results", "results.json", "--annotations", "gt.json", "--out", "scores"]
    return judge(f"{name}: {said}", {"eval": command(words, place.folder)}, (name,))


def fuzz_masks(place: Place) -> Verdict:
    """Mutate a mask, a picture or the list of classes of a segmenter's data, check and train."""
    root = place.folder / "masks"
    shutil.copytree(place.base / "masks", root)
    draw = place.chance.random()
    if draw < 0.25:
        path = root / "classes.txt"
        said = _rewrite(path, mutate_text, place.chance)
    elif draw < 0.5:
        path = root / "train/images/000.png"
        said = extremes.mutate_picture(path, place.chance)
    else:
        path = root / "train/masks/000.png"
        said = extremes.mutate_picture(path, place.chance)
    words = [place.base / "segmentation.yaml", *bases.segmentation_words(root)]
    steps = _run_both(place, words)
    return judge(f"{path.relative_to(root)}: {said}", steps, (path.name, "classes.txt"))


def fuzz_classes(place: Place) -> Verdict:
    """Mutate a file of class folders, archives, shards or lists, check and train."""
    form = place.chance.choice(sorted(class_data.KINDS))
    root = place.folder / form
    shutil.copytree(place.base / "classes" / form, root)
    path = place.chance.choice(sorted(file for file in root.rglob("*") if file.is_file()))
    if path.suffix == ".png":
        said = extremes.mutate_picture(path, place.chance)
    elif place.chance.random() < 0.15:
        said = extremes.another_kind(path, place.chance)
    else:
        said = _rewrite(path, mutate_text, place.chance)
    words = [place.base / "classification.yaml", *bases.classification_words(root)]
    steps = _run_both(place, words)
    names = (path.name, path.parent.name)
    return judge(f"{path.relative_to(place.folder)}: {said}", steps, names)


def check_and_train(place: Place, more: Sequence[str] = ()) -> dict[str, Ended]:
    """Check and train what lies in the case's folder as COCO's."""
    return _run_both(place, [place.base / "detection.yaml", *bases.coco_words(Path()), *more])


def _run_both(place: Place, words: Sequence[object]) -> dict[str, Ended]:
    check = command(["check", *words], place.folder)
    train = command(["train", *words, "run.output_dir=run"], place.folder)
    return {"check": check, "train": train}


def _convert(place: Place, words: Sequence[str], path: Path, said: str) -> Verdict:
    """Convert; and check and train what was converted."""
    steps = {"convert": command(["convert", *words], place.folder)}
    if steps["convert"].status == 0:
        shutil.copytree(place.base / "coco/val", place.folder / "val")
        shutil.copy(place.base / "coco/val.json", place.folder / "val.json")
        images = {"voc": "voc/JPEGImages", "yolo": "yolo/images/train", "csv": "csv"}[words[0]]
        steps |= check_and_train(place, [f"data.train.images={images}"])
    names = (path.name, "train.json", *OTHERS, *_pictures(), *SPLITS)
    return judge(f"{path.name}: {said}", steps, names)


def _rewrite(path: Path, mutation: Callable[[bytes, Random], bytes], chance: Random) -> str:
    path.write_bytes(mutation(path.read_bytes(), chance))
    return mutation.__name__


def _pictures() -> list[str]:
    return [f"{number}.png" for numbers in bases.SPLITS.values() for number in numbers]


KINDS = (
    Kind("coco", "mutated COCO JSON", 400, 6, fuzz_coco),
    Kind("images", "mutated images", 200, 3, fuzz_images),
    Kind("voc", "mutated VOC folders", 100, 2, fuzz_voc),
    Kind("yolo", "mutated YOLO folders", 100, 2, fuzz_yolo),
    Kind("csv", "mutated CSV files", 100, 2, fuzz_csv),
    Kind("results", "mutated results JSON", 100, 3, fuzz_results),
    Kind("masks", "mutated semantic masks", 60, 1, fuzz_masks),
    Kind("classes", "mutated folders and archives of classes", 60, 2, fuzz_classes),
)
