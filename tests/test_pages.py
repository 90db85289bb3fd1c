"""Every block of code in the pages runs on the built-in shapes, or says what it needs."""

import ast
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import page_data
import pytest
from command_line import Commands
from page_blocks import PAGES, ROOT, Block, read_blocks, started_by

from tasks.cli import api
from tasks.cli.train import read_recipe

BLOCKS = [block for page in PAGES for block in read_blocks(page)]
NEEDS = {
    "COCO",
    "ImageNet",
    "Pascal VOC",
    "CIFAR-10",
    "a GPU",
    "a cluster",
    "the network",
    "minutes",
    "a browser",
    "wandb and mlflow",
}
SHORT = {
    "detection": (
        "data.batch_size=2",
        "data.short_edge=[64]",
        "data.long_edge=96",
        "data.val_short_edge=null",
    ),
    "segmentation": ("data.batch_size=2",),
    "classification": ("data.batch_size=4",),
}
"""What is set beside what a page says, so that a training takes a second."""
QUICK = (
    "schedule.epochs=null",
    "schedule.minutes=null",
    "schedule.steps=2",
    "run.eval_every=0",
    "run.device=cpu",
    "run.precision=fp32",
    "data.workers=0",
)
SMALL_SHAPES = ("--train", "24", "--val", "8", "--size", "96")


def test_every_reason_not_to_run_a_block_is_a_known_one() -> None:
    reasons = {block.no_run for block in BLOCKS if block.no_run is not None}
    assert reasons - {f"needs {thing}" for thing in NEEDS} == set()


def test_most_blocks_run() -> None:
    left_out = [block for block in BLOCKS if block.no_run is not None]
    assert len(left_out) < len(BLOCKS) / 3


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in [_anchor(heading) for heading in headings], target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_settings_of_blocks_that_do_not_run_are_settings(page: str, tmp_path: Path) -> None:
    """The commands are read as far as their recipes and settings."""
    for block in read_blocks(page):
        if block.no_run is None or block.language != "shell":
            continue
        for words in started_by(_without_environment(block.code), tmp_path):
            backbones = words.index("backbones") if "backbones" in words else None
            if backbones is None or words[backbones + 1] != "train":
                continue
            recipe, *overrides = words[backbones + 2 :]
            if not recipe.endswith(".yaml"):
                read_recipe(recipe, overrides)


def _without_environment(code: str) -> str:
    """Without what makes and enters an environment or a clone."""
    return re.sub(r"^.*(git clone|venv|source ).*$", "", code, flags=re.MULTILINE)


def test_the_diffs_of_the_page_on_extending_apply() -> None:
    text = (ROOT / "docs/extending.md").read_text()
    diffs = re.findall(r"^```diff\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(diffs) >= 4
    for diff in diffs:
        command = ["git", "apply", "--check", "-"]
        subprocess.run(command, input=diff, text=True, cwd=ROOT, check=True)


def prepare(page: str, folder: Path, shapes: Path) -> None:
    """What a page's blocks take for granted."""
    shutil.copytree(shapes, folder / "data/shapes")
    photo = next((shapes / "val").glob("*.jpg"))
    shutil.copy(photo, folder / "photo.jpg")
    (folder / "photos").mkdir()
    shutil.copy(photo, folder / "photos")
    PREPARATIONS.get(page, lambda folder: None)(folder)


def _bccd(folder: Path) -> None:
    page_data.write_voc(folder / "data/shapes", folder / "bccd")


def _video(folder: Path) -> None:
    page_data.write_video(folder / "photo.jpg", folder / "clip.mp4")


def _detector_run(folder: Path) -> None:
    _train("quickstart", folder / "runs/quickstart", folder)


def _detector_runs(folder: Path) -> None:
    names = ("quickstart", "one", "other", "faster_rcnn_r50", "faster_rcnn_r101")
    run = folder / "runs" / names[0]
    _train("quickstart", run, folder)
    page_data.copy_run(run, *(run.parent / name for name in names[1:]))
    shutil.copy(run / "detections.json", folder / "detections.json")
    annotations = folder / "data/shapes/annotations/instances_val.json"
    shutil.copy(annotations, folder / "instances_val.json")
    shutil.copytree(folder / "data/shapes", folder / "other")


def _segmenter_data(folder: Path) -> None:
    page_data.write_masks(folder / "mine")
    page_data.write_labelme(folder / "labelled")
    page_data.write_cvat(folder / "annotations.xml", folder / "photos")
    shutil.copytree(folder / "mine/val", folder / "test")


def _classifier_data(folder: Path) -> None:
    shutil.copytree(folder / "data/shapes/classifier", folder / "mine")
    shutil.copytree(folder / "data/shapes/classifier", folder / "other")
    names = ("resnet50_v1", "r50", "r101", "r152")
    run = folder / "runs" / names[0]
    _train("quickstart_cls", run, folder, "model.backbone=resnet18", "data.decoded=false")
    page_data.copy_run(run, *(run.parent / name for name in names[1:]))


def _train(recipe: str, run: Path, folder: Path, *settings: str) -> None:
    overrides = [*settings, f"run.output_dir={run}", *_shortened(recipe, settings)]
    api.start(*read_recipe(recipe, overrides), [])


PREPARATIONS: dict[str, Callable[[Path], None]] = {
    "README.md": _bccd,
    "docs/own_data.md": _bccd,
    "docs/evidence.md": _detector_runs,
    "docs/evaluate.md": _detector_runs,
    "docs/train.md": _detector_runs,
    "docs/try.md": _video,
    "docs/watch.md": _detector_run,
    "docs/segment.md": _segmenter_data,
    "docs/classify.md": _classifier_data,
}


SLOW = tuple(
    f"docs/{name}.md" for name in ("backbones", "classify", "evidence", "segment", "watch")
)
"""Pages whose trainings and evaluations take a minute together."""


def _timed(page: str) -> object:
    return pytest.param(page, marks=pytest.mark.slow) if page in SLOW else page


@pytest.fixture
def torchvision_files(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's ResNets of the pages, as if they had been downloaded."""
    from filelock import FileLock
    from torchvision.models import resnet18, resnet50

    home = shared_folder / "torch_home"
    with FileLock(shared_folder / "torch_home.lock"):
        page_data.publish(home, "resnet18-f37072fd.pth", resnet18)
        page_data.publish(home, "resnet50-0676ba61.pth", resnet50)
        page_data.publish(home, "resnet50-11ad3fa6.pth", resnet50)
    monkeypatch.setenv("TORCH_HOME", str(home))


@pytest.mark.usefixtures("torchvision_files")
@pytest.mark.parametrize("page", [_timed(page) for page in PAGES if read_blocks(page)])
def test_the_blocks_of_a_page_run_in_their_order(
    page: str, shapes: Path, tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(page, tmp_path, shapes)
    monkeypatch.setattr(api, "read_recipe", _read_shortened)
    for block in read_blocks(page):
        if block.no_run is None:
            RUN[block.language](block, commands)


def run_python(block: Block, commands: Commands) -> None:
    """Execute it, unless it imports a package that is not installed."""
    if all(importlib.util.find_spec(package) for package in _packages(block.code)):
        exec(compile(block.code, f"{block.page}:{block.line}", "exec"), {"__name__": "page"})


def _packages(code: str) -> set[str]:
    modules = [
        node.module or "" for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)
    ]
    return {module.partition(".")[0] for module in modules}


def run_shell(block: Block, commands: Commands) -> None:
    """Run what bash would start, in this process; trainings and drawings are shortened."""
    for words in started_by(block.code, Path.cwd()):
        if words[0] == "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(words[1:]) <= set(targets), words
        elif words[0] == "backbones":
            answer = commands(*_shorter(words[1:]))
            assert answer.status == 0, (block.page, block.line, words, answer.error[-2000:])
        else:
            raise AssertionError(f"{block.page}:{block.line} starts {words[0]}, which is not run")


RUN = {"python": run_python, "shell": run_shell}


def _shorter(words: list[str]) -> list[str]:
    words = [word.replace("precise_norm=25600", "precise_norm=32") for word in words]
    if words[0] == "shapes":
        return [*words, *SMALL_SHAPES]
    if words[0] == "train" and "--help" not in words:
        return [*words, *_shortened(words[1], words[2:])]
    return words


def _shortened(recipe: str, settings: object) -> tuple[str, ...]:
    task, _ = read_recipe(recipe, [])
    return (*SHORT[task.name], *QUICK)


def _read_shortened(recipe: str, overrides: list[str]) -> object:
    return read_recipe(recipe, [*overrides, *_shortened(recipe, overrides)])


def test_the_messages_of_the_page_on_troubleshooting_are_ours() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text().split("## Results look wrong")[0]
    quoted = re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)
    known = "\n".join(_texts(ROOT / "tasks") + _texts(ROOT / "resnet_backbones"))
    parts = [part.strip() for message in quoted for part in message.split("…")]
    assert [part for part in parts if part and part not in known] == []


def _texts(folder: Path) -> list[str]:
    """The literals of all modules, with what is formatted into them left out."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                literals = [part.value for part in node.values if isinstance(part, ast.Constant)]
                found.append("".join(map(str, literals)))
    return found
