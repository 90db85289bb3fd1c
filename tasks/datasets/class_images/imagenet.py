"""ImageNet's own validation set: one folder of images, their classes in a file elsewhere.

N images, K classes.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_folders import is_image
from tasks.datasets.class_images.listing import Listing, number_classes
from tasks.datasets.class_images.store import FileStore
from tasks.datasets.packed import PackedValues
from tasks.datasets.text_files import read_rows, read_text
from tasks.errors import DataError, few
from tasks.images import is_hidden

KAGGLE = "LOC_val_solution.csv"  # ImageId,PredictionString: "…_00000001,n01751748 111 108 230 244"
TRUTH = "ILSVRC2012_validation_ground_truth.txt"  # line i is the number of image i's class
META = "meta.mat"  # the numbers of classes to their names
DEVKIT = "ILSVRC2012_devkit_t12/data"
_ABOVE = 4  # folders between Kaggle's validation images and the file of their classes


def read_flat(path: Path) -> Listing:
    """List a folder of images with the classes from ImageNet's files in or above it.

    Raises UserError if there is no such file, or if it lacks an image, which is named.
    """
    names = sorted(file.name for file in path.iterdir() if is_image(file.name))
    names = [name for name in names if not is_hidden(name)]
    if not names:
        rule = f"{path} must hold a folder for each class, got neither folders nor images"
        raise DataError(rule, "check the path")
    solution = _find(path, (KAGGLE, TRUTH))
    if solution is None:
        rule = f"{path} must hold a folder for each class, got {len(names)} images and no folder"
        way_out = f"put the images of each class into a folder named by it (ImageNet: or {KAGGLE}"
        raise DataError(rule, f"{way_out} or {TRUTH} beside them)")
    read = _read_kaggle if solution.name == KAGGLE else _read_truth
    by_image = read(solution)
    missing = [name for name in names if Path(name).stem not in by_image]
    if missing:
        rule = f"{solution} must name the class of every image in {path}, not of {few(missing)}"
        raise DataError(rule, "take them out, or give their classes")
    classes, labels = number_classes([by_image[Path(name).stem] for name in names])
    absent = len(by_image) - len(names)
    warnings = (f"{absent} images of {solution.name} are not there",) if absent else ()
    return Listing(FileStore(path, PackedValues(names)), classes, labels, warnings)


def _find(folder: Path, names: Sequence[str]) -> Path | None:
    """Find a file of one of these names in a folder, one above, or the kit's folder in those."""
    above = folder.absolute().parents[:_ABOVE]
    for name in names:
        for place in (folder, *above):
            for file in (place / name, place / DEVKIT / name):
                if file.is_file():
                    return file
    return None


def _read_kaggle(file: Path) -> dict[str, str]:
    """Read the class of each image: the first word of Kaggle's prediction column."""
    classes: dict[str, str] = {}
    for row in read_rows(file)[1:]:
        words = row.values[1].split() if len(row.values) == 2 else []
        if not words:
            raise UserError(
                f"{file}:{row.line}: must be ImageId,PredictionString, got"
                f" {','.join(row.values)[:80]!r}; download the file again"
            )
        classes[row.values[0].strip()] = words[0]
    return classes


def _read_truth(file: Path) -> dict[str, str]:
    """Read the class of each image; line i is for image i."""
    names = _read_meta(file)
    classes: dict[str, str] = {}
    for line, text in enumerate(read_text(file, "the ground truth").splitlines(), start=1):
        number = int(text) if text.strip().isdecimal() else 0
        if number not in names:
            raise UserError(
                f"{file}:{line}: must be the number of a class in {META}, got {text[:80]!r};"
                " download the file again"
            )
        classes[f"ILSVRC2012_val_{line:08d}"] = names[number]
    return classes


def _read_meta(truth: Path) -> dict[int, str]:
    """Read the names of the classes by ImageNet's numbers, from MATLAB's file."""
    file = _find(truth.parent, (META,))
    if file is None:
        rule = f"{truth} numbers classes by {META} of the development kit, which is not beside it"
        raise DataError(rule, f"put {META} or Kaggle's {KAGGLE} there")
    return _load_meta(file)


def _load_meta(file: Path) -> dict[int, str]:
    """Read MATLAB's file; UserError if scipy is missing or cannot read it."""
    try:
        from scipy.io import loadmat
        from scipy.io.matlab import MatReadError
    except ImportError as error:
        raise UserError(
            f"{file} can be read with scipy only, which is not installed; pip install scipy, or"
            f" put Kaggle's {KAGGLE} beside the images"
        ) from error
    wrong = (MatReadError, LookupError, NotImplementedError, OSError, TypeError, ValueError)
    try:
        synsets = loadmat(file, squeeze_me=True)["synsets"]
        numbers = np.atleast_1d(synsets["ILSVRC2012_ID"]).tolist()
        names = np.atleast_1d(synsets["WNID"]).tolist()
    except (*wrong, zlib.error) as error:
        raise DataError(f"cannot read {file}: {error}", "download it again") from error
    return {int(number): str(name) for number, name in zip(numbers, names, strict=True)}
