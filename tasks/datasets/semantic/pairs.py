"""Images and their masks, paired by their paths in the two folders.

A stem is such a path without suffix, with `/` between its parts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.datasets.findings import Finding
from tasks.datasets.semantic.layout import Place
from tasks.datasets.text_files import read_text
from tasks.images import find_images

ENDINGS = ("_mask", "_masks", "_seg", "_segmentation", "_label", "_labels", "_labelIds", "_gt")
"""Endings that the names of masks may have in addition to those of their images."""
CITY_IMAGES = "_leftImg8bit"
CITY_MASKS = ("_gtFine_labelIds", "_gtCoarse_labelIds")
CITY_TRAIN_IDS = ("_gtFine_labelTrainIds", "_gtCoarse_labelTrainIds")
Files = Mapping[str, list[str]]  # file names by stem


@dataclass(frozen=True)
class Pair:
    """File names of an image and of its mask, each relative to its folder."""

    image: str
    mask: str


@dataclass(frozen=True)
class Pairing:
    """The pairs in the order of their stems, and the files without a partner."""

    pairs: list[Pair]
    findings: list[Finding]


def pair_files(place: Place, *, train_ids: bool = False) -> Pairing:
    """Pair the images and masks of a place; `train_ids` chooses among the masks of Cityscapes.

    A mask may have one of ENDINGS in addition to its image's stem. Raises UserError for a folder
    without images.
    """
    images = _by_stem(place.images)
    masks = _by_stem(place.masks)
    if any(stem.endswith(CITY_IMAGES) for stem in images):
        images = _ending_with((CITY_IMAGES,), images)
        masks = _ending_with(CITY_TRAIN_IDS if train_ids else CITY_MASKS, masks)
    else:
        masks = _without_endings(masks, images)
    wanted = sorted(images.keys() | masks.keys())
    if place.listing is not None:
        text = read_text(place.listing, "a list of images")
        wanted = list(dict.fromkeys(text.split()))
    pairs: list[Pair] = []
    findings: list[Finding] = []
    for stem in wanted:
        image = images.get(stem, [])
        mask = masks.get(stem, [])
        if len(image) == 1 and len(mask) == 1:
            pairs.append(Pair(image[0], mask[0]))
        else:
            findings += _problems(place, stem, image, mask)
    return Pairing(pairs, findings)


def _by_stem(folder: Path) -> Files:
    """The image files below a folder."""
    files: dict[str, list[str]] = {}
    for path in find_images(folder, "correct data.root, or put files there"):
        name = path.relative_to(folder).as_posix()
        files.setdefault(name.removesuffix(path.suffix), []).append(name)
    return files


def _ending_with(endings: tuple[str, ...], files: Files) -> Files:
    """Files whose stem has one of the endings, by the stem before it."""
    chosen: dict[str, list[str]] = {}
    for stem, names in files.items():
        for ending in endings:
            if stem.endswith(ending):
                chosen.setdefault(stem.removesuffix(ending), []).extend(names)
    return chosen


def _without_endings(masks: Files, images: Files) -> Files:
    """Masks by the stem of their image: their own stem, or that without an ending."""
    chosen: dict[str, list[str]] = {}
    for stem, names in masks.items():
        owners = [stem.removesuffix(ending) for ending in ENDINGS if stem.endswith(ending)]
        owner = next((owner for owner in [stem, *owners] if owner in images), stem)
        chosen.setdefault(owner, []).extend(names)
    return chosen


def _problems(place: Place, stem: str, image: list[str], mask: list[str]) -> Iterator[Finding]:
    """Yield the reasons why stems give no pair."""
    if not image and not mask:
        rule = f"a listed image must be there, found none in {place.images} nor a mask"
        yield _finding("missing image", place.listing or place.images, stem, rule, "correct it")
    elif not mask:
        rule = f"every image needs a mask, found none of its name in {place.masks}"
        way_out = "add the mask, or take the image out"
        yield _finding("missing mask", place.images / image[0], stem, rule, way_out)
    elif not image:
        rule = f"every mask needs an image, found none of its name in {place.images}"
        way_out = "add the image, or take the mask out"
        yield _finding("missing image", place.masks / mask[0], stem, rule, way_out)
    for kind, folder, names in (("image", place.images, image), ("mask", place.masks, mask)):
        if len(names) > 1:
            rule = f"an image and its mask must be one file each, got {', '.join(names)}"
            way_out = "take all but one out"
            yield _finding(f"several {kind}s", folder / names[0], stem, rule, way_out)


def _finding(kind: str, file: Path, stem: str, rule: str, way_out: str) -> Finding:
    return Finding(
        kind=kind, severity="error", file=str(file), record=stem, rule=rule, way_out=way_out
    )
