"""Find the images and the masks of a split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resnet_backbones.errors import UserError
from tasks.datasets.coco.json_file import read_json
from tasks.datasets.coco.layout import image_folders, instance_files

Split = Literal["train", "val"]
Kind = Literal["panoptic", "instances", "masks"]
PanopticClasses = Literal["all", "stuff", "things"]
PANOPTIC_CLASSES: tuple[PanopticClasses, ...] = ("all", "stuff", "things")
NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
}
_MASK_FOLDERS = ("masks", "labels", "annotations")


@dataclass(frozen=True, kw_only=True)
class SemanticSource:
    """Settings of a split."""

    root: str | Path | None = None
    split: Split = "train"
    images: str | None = None
    masks: str | None = None
    """A folder of masks, or the JSON file of panoptic or instance annotations."""
    kind: Literal["auto", "panoptic", "instances", "masks"] = "auto"
    classes: str | None = None
    """For masks a built-in list or a file; for panoptic annotations all (also None), stuff or
    things."""
    ignore: tuple[int, ...] = ()
    """Values of masks that are ignored, besides 255."""


@dataclass(frozen=True)
class Place:
    """A possible place of a split, and the kind of its masks."""

    kind: Kind
    images: Path
    masks: Path
    listing: Path | None = None
    """Text file with the stems of the images, as in Pascal VOC."""

    @property
    def is_there(self) -> bool:
        """Whether all its files exist."""
        masks = self.masks.is_dir() if self.kind == "masks" else self.masks.is_file()
        return masks and self.images.is_dir() and (self.listing is None or self.listing.is_file())


def locate_semantic(source: SemanticSource) -> Place:
    """Find a split at the paths of the settings, or in one of the usual layouts under the root.

    Of several kinds the order is panoptic, instances, masks, as far as `kind` and `classes` allow.
    Raises UserError that lists everything tried.
    """
    if source.masks is not None:
        return _given(source, Path(source.masks))
    tried: list[str] = []
    for kind in _kinds(source):
        for place in _candidates(source, kind):
            if place.is_there:
                return place
            tried += [_below(source.root, place.images), _below(source.root, place.masks)]
    listed = ", ".join(dict.fromkeys(tried))
    looked = f"tried in {source.root} {listed}" if tried else "as no path is set"
    raise UserError(
        f"no images with masks for the {source.split} split, {looked}; set data.root, or"
        f" data.{source.split}.images and data.{source.split}.annotations"
    )


def _below(root: str | Path | None, path: Path) -> str:
    """A path relative to the root if it is inside, else the whole path."""
    if root is None or not path.is_relative_to(root):
        return str(path)
    return str(path.relative_to(root))


def _kinds(source: SemanticSource) -> tuple[Kind, ...]:
    """Kinds that the settings allow."""
    if source.kind != "auto":
        return (source.kind,)
    if source.classes is None:
        return ("panoptic", "instances", "masks")
    return ("panoptic",) if source.classes in PANOPTIC_CLASSES else ("masks",)


def _given(source: SemanticSource, masks: Path) -> Place:
    """The masks of the settings, and their images."""
    if not masks.exists():
        raise UserError(f"no masks at {masks}; correct data.{source.split}.annotations")
    is_json = masks.is_file()
    if source.kind != "auto" and is_json == (source.kind == "masks"):
        needed = "a folder" if source.kind == "masks" else "a JSON file"
        raise UserError(
            f"data.{source.split}.annotations must be {needed} where data.labels is {source.kind},"
            f" got {masks}; correct one of the two"
        )
    kind = source.kind
    if kind == "auto":
        kind = _kind_of(masks) if is_json else "masks"
    return Place(kind, _images_of(source, masks), masks)


def _kind_of(annotations: Path) -> Kind:
    """Kind of a JSON file, by its name or else by its first annotation."""
    for kind in ("panoptic", "instances"):
        if kind in annotations.name:
            return kind
    records = read_json(annotations)["annotations"]
    return "panoptic" if records and "segments_info" in records[0] else "instances"


def _images_of(source: SemanticSource, masks: Path) -> Path:
    """The images of the settings, or a usual folder under the root."""
    split = source.split
    if source.images is not None:
        tried = [Path(source.images)]
    elif source.root is not None:
        tried = [Path(source.root) / name for name in image_folders(split)]
    else:
        tried = []
    for path in tried:
        if path.is_dir():
            return path
    listed = ", ".join(map(str, tried)) or "nothing, as no path is set"
    raise UserError(
        f"no images of the masks {masks} for the {split} split, tried {listed}; set"
        f" data.{split}.images"
    )


def _candidates(source: SemanticSource, kind: Kind) -> Iterator[Place]:
    """Possible places of the split under the root, the likelier first."""
    if source.root is None:
        return
    root = Path(source.root)
    places = _mask_places(source.split) if kind == "masks" else _json_places(source.split, kind)
    for images, masks, listing in places:
        folder = root / images if source.images is None else Path(source.images)
        yield Place(kind, folder, root / masks, root / listing if listing else None)


def _json_places(split: Split, kind: Kind) -> Iterator[tuple[str, str, str]]:
    """Places of JSON files: images, annotation file, and no listing."""
    panoptic = (f"annotations/panoptic_{split}2017.json", f"annotations/panoptic_{split}.json")
    for annotations in panoptic if kind == "panoptic" else instance_files(split):
        for images in image_folders(split):
            yield images, annotations, ""


def _mask_places(split: Split) -> Iterator[tuple[str, str, str]]:
    """Places of masks: images, masks, and the listing, if any; CamVid, ADE20K, Cityscapes,
    COCO-Stuff, VOC.
    """
    for name in NAMES[split]:
        for masks in _MASK_FOLDERS:
            yield f"{name}/images", f"{name}/{masks}", ""
            yield f"images/{name}", f"{masks}/{name}", ""
        yield name, f"{name}annot", ""
        yield f"leftImg8bit/{name}", f"gtFine/{name}", ""
    for images in (f"{split}2017", f"images/{split}2017"):
        yield images, f"stuffthingmaps/{split}2017", ""
        yield images, f"annotations/stuff_{split}2017_pixelmaps", ""
    yield "JPEGImages", "SegmentationClass", f"ImageSets/Segmentation/{split}.txt"
