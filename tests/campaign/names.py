"""Files of the user's that a command might overwrite, and folders with odd names."""

import shutil
from pathlib import Path

from campaign import bases
from campaign.kind import Kind, Place
from campaign.outcomes import Outcome, Verdict, fault_of
from campaign.processes import command

RUN = "RUN"
"""Stands for base/run in a command line."""
CHECK = "check train train.json"
SCORE = "eval --annotations gt.json --results"
FILES = (
    ("csv", "convert csv csv/boxes.csv csv/boxes.csv", "csv/boxes.csv"),
    ("csv", "convert csv csv/boxes.csv csv/11.png", "csv/11.png"),
    ("voc", "convert voc voc voc/JPEGImages/11.png", "voc/JPEGImages/11.png"),
    ("voc", "convert voc voc voc/Annotations/11.xml", "voc/Annotations/11.xml"),
    ("yolo", "convert yolo yolo yolo/data.yaml", "yolo/data.yaml"),
    ("yolo", "convert yolo yolo yolo/labels/train/11.txt", "yolo/labels/train/11.txt"),
    ("coco", f"{CHECK} --html train.json", "train.json"),
    ("coco", f"{CHECK} --html train/11.png", "train/11.png"),
    ("coco", f"{CHECK} --fix train.json", "train.json"),
    ("coco", f"{CHECK} --fix val.json", "val.json"),
    ("results", f"{SCORE} evaluation.json", "evaluation.json"),
    ("results", f"{SCORE} report.html", "report.html"),
    ("results", "eval --results results.json --annotations evaluation.json", "evaluation.json"),
    ("coco", "predict RUN train/11.png --out .", "11_detections.jpg"),
    ("coco", "predict RUN train/11.png --out .", "predictions.json"),
    ("coco", "predict RUN train --out found", "found/predictions.json"),
    ("coco", "export-weights RUN train.json", "train.json"),
    ("coco", "export-weights RUN mine.safetensors", "mine.safetensors"),
    ("coco", "shapes .", "train.json"),
)
"""Data set, command, and the user's file that it is told to write, or would."""
COPIES = {
    "evaluation.json": "results.json",
    "report.html": "results.json",
    "11_detections.jpg": "train/11.png",
    "predictions.json": "train.json",
    "found/predictions.json": "train.json",
    "mine.safetensors": "train.json",
}
"""What a user's file that is no part of the data set is made of."""
FOLDERS = (
    *(
        "exp #2",
        "&x y",
        "a: b",
        " a",
        "a ",
        "- a",
        "~x",
        "a\nb",
        "${x}",
        "%s",
        "a=b",
        "é",
        "x" * 255,
    ),
    *(
        '"',
        "[1]",
        "{a}",
        "null",
        "true",
        "1e3",
        "!t",
        "|",
        "*",
        "@",
        "a\\b",
        "?",
        "\u202ea",
        "<b>",
    ),
)


def overwrite(place: Place) -> Verdict:
    """Have a command write where a file of the user's is."""
    data, words, name = place.chance.choice(FILES)
    inside = data if data in ("voc", "yolo", "csv") else "."
    shutil.copytree(place.base / data, place.folder / inside, dirs_exist_ok=True)
    path = place.folder / name
    if name in COPIES:
        path.parent.mkdir(exist_ok=True)
        shutil.copy(place.folder / COPIES[name], path)
    if "--annotations evaluation.json" in words:
        shutil.copy(place.folder / "gt.json", path)
    before = path.read_bytes()
    given = [place.base / "run" if word == RUN else word for word in words.split()]
    ended = command(given, place.folder)
    fault = fault_of(words, ended)
    if fault is not None:
        return Verdict(fault[0], f"{words} ({name})", fault[1])
    if not path.exists() or path.read_bytes() != before:
        return Verdict(Outcome.LOST, words, f"{name} was replaced, status {ended.status}")
    return Verdict(Outcome.REFUSED if ended.status else Outcome.DONE, words, ended.line)


def train_into(place: Place) -> Verdict:
    """Train into a folder with an odd name, which must be the one that is written."""
    name = place.chance.choice(FOLDERS)
    words = ["train", place.base / "detection.yaml", *bases.coco_words(place.base / "coco")]
    ended = command([*words, f"run.output_dir={name}"], place.folder)
    said = f"run.output_dir={name}"
    fault = fault_of("train", ended)
    if fault is not None:
        return Verdict(fault[0], said, fault[1])
    if ended.status:
        named = "run.output_dir" in ended.line or name in ended.line
        return Verdict(Outcome.REFUSED if named else Outcome.UNNAMED, said, ended.line)
    if (place.folder / Path(name) / "last.pt").exists():
        return Verdict(Outcome.DONE, said)
    made = [path.name for path in place.folder.iterdir() if path.is_dir()]
    return Verdict(Outcome.CHANGED, said, f"written to {made}")


KINDS = (
    Kind("overwrites", "commands told to write over a user's file", 30, 2, overwrite),
    Kind("folders", "odd names of run.output_dir", 20, 1, train_into),
)
