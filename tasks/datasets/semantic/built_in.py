"""Lists of classes of public data sets, as their masks are published."""

from collections.abc import Mapping

from tasks.datasets.semantic.built_in_names import ADE20K, COCO_STUFF, VOC
from tasks.datasets.semantic.classes import ClassList, MaskClass
from tasks.labels import IGNORED, Colour

_NEVER_DRAWN = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)  # ids of COCO that no image has
_FIRST_STUFF = 92
_OTHER = 183  # all things, in COCO's pixel maps of stuff

# SegNet's 11 classes of CamVid and what it draws them in (Badrinarayanan et al. 2017).
_CAMVID = (
    MaskClass("sky", 0, (128, 128, 128)),
    MaskClass("building", 1, (128, 0, 0)),
    MaskClass("pole", 2, (192, 192, 128)),
    MaskClass("road", 3, (128, 64, 128)),
    MaskClass("pavement", 4, (60, 40, 222)),
    MaskClass("tree", 5, (128, 128, 0)),
    MaskClass("sign-symbol", 6, (192, 128, 128)),
    MaskClass("fence", 7, (64, 64, 128)),
    MaskClass("car", 8, (64, 0, 128)),
    MaskClass("pedestrian", 9, (64, 64, 0)),
    MaskClass("bicyclist", 10, (0, 128, 192)),
    MaskClass("void", 11, (0, 0, 0)),
)
# Ids and colours of Cityscapes' labels.py (Cordts et al. 2016); 19 are trained, in this order. Void
# is black by several names, and a group of poles has the poles' colour.
_CITYSCAPES = (
    MaskClass("road", 7, (128, 64, 128)),
    MaskClass("sidewalk", 8, (244, 35, 232)),
    MaskClass("building", 11, (70, 70, 70)),
    MaskClass("wall", 12, (102, 102, 156)),
    MaskClass("fence", 13, (190, 153, 153)),
    MaskClass("pole", 17, (153, 153, 153)),
    MaskClass("traffic light", 19, (250, 170, 30)),
    MaskClass("traffic sign", 20, (220, 220, 0)),
    MaskClass("vegetation", 21, (107, 142, 35)),
    MaskClass("terrain", 22, (152, 251, 152)),
    MaskClass("sky", 23, (70, 130, 180)),
    MaskClass("person", 24, (220, 20, 60)),
    MaskClass("rider", 25, (255, 0, 0)),
    MaskClass("car", 26, (0, 0, 142)),
    MaskClass("truck", 27, (0, 0, 70)),
    MaskClass("bus", 28, (0, 60, 100)),
    MaskClass("train", 31, (0, 80, 100)),
    MaskClass("motorcycle", 32, (0, 0, 230)),
    MaskClass("bicycle", 33, (119, 11, 32)),
)
_CITYSCAPES_IGNORED = (
    MaskClass("unlabeled", 0, (0, 0, 0)),
    MaskClass("ego vehicle", 1),
    MaskClass("rectification border", 2),
    MaskClass("out of roi", 3),
    MaskClass("static", 4),
    MaskClass("dynamic", 5, (111, 74, 0)),
    MaskClass("ground", 6, (81, 0, 81)),
    MaskClass("parking", 9, (250, 170, 160)),
    MaskClass("rail track", 10, (230, 150, 140)),
    MaskClass("guard rail", 14, (180, 165, 180)),
    MaskClass("bridge", 15, (150, 100, 100)),
    MaskClass("tunnel", 16, (150, 120, 90)),
    MaskClass("polegroup", 18),
    MaskClass("caravan", 29, (0, 0, 90)),
    MaskClass("trailer", 30, (0, 0, 110)),
)


def _ade20k() -> ClassList:
    """Values 1..150; pixels of 0 have no class."""
    names = enumerate(split_names(ADE20K), start=1)
    entries = [MaskClass(name, value) for value, name in names]
    return _built_in("ade20k", *entries, MaskClass("other", 0), ignored=(0,))


def _cityscapes() -> ClassList:
    """The 19 scored ones of the 34 ids in *_labelIds.png."""
    ignored = tuple(entry.value for entry in _CITYSCAPES_IGNORED)
    return _built_in("cityscapes", *_CITYSCAPES, *_CITYSCAPES_IGNORED, ignored=ignored)


def _cityscapes_train_ids() -> ClassList:
    """The same classes with the values of *_labelTrainIds.png, 0..18."""
    classes = enumerate(_CITYSCAPES)
    entries = [MaskClass(entry.name, value, entry.colour) for value, entry in classes]
    return _built_in("cityscapes_train_ids", *entries)


def _voc() -> ClassList:
    """Values 0..20, of which 0 is the background; 255 is the border of objects."""
    names = enumerate(split_names(VOC))
    entries = [MaskClass(name, value, voc_colour(value)) for value, name in names]
    return _built_in("voc", *entries, MaskClass("void", IGNORED, voc_colour(IGNORED)))


def _coco_stuff() -> ClassList:
    """Category ids less 1, as in stuffthingmaps: 80 things in 0..89, 91 kinds of stuff from 91."""
    names = enumerate(split_names(COCO_STUFF), start=1)
    entries = [MaskClass(name, id - 1) for id, name in names if id not in _NEVER_DRAWN]
    return _built_in("coco_stuff", *entries)


def _coco_stuff_pixelmaps() -> ClassList:
    """Category ids of stuff, as in stuff_*_pixelmaps: 92..182, all things 183, and 0 is nothing."""
    names = enumerate(split_names(COCO_STUFF), start=1)
    entries = [MaskClass(name, id) for id, name in names if id >= _FIRST_STUFF]
    others = (MaskClass("other", _OTHER), MaskClass("unlabeled", 0))
    return _built_in("coco_stuff_pixelmaps", *entries, *others, ignored=(0,))


def _built_in(name: str, *entries: MaskClass, ignored: tuple[int, ...] = ()) -> ClassList:
    return ClassList(f"the list {name}", entries, frozenset((IGNORED, *ignored)))


def split_names(text: str) -> list[str]:
    """Split a text at its commas; a name may continue in the next line."""
    return " ".join(text.split()).split(", ")


def voc_colour(value: int) -> Colour:
    """Colour of a value in Pascal VOC's palette: its bits go to red, green and blue in turn, from
    the highest bit of each down.
    """
    colour = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            colour[channel] |= (value >> (3 * place + channel) & 1) << (7 - place)
    return colour[0], colour[1], colour[2]


BUILT_IN: Mapping[str, ClassList] = {
    "ade20k": _ade20k(),
    "camvid": _built_in("camvid", *_CAMVID, ignored=(11,)),
    "cityscapes": _cityscapes(),
    "cityscapes_train_ids": _cityscapes_train_ids(),
    "coco_stuff": _coco_stuff(),
    "coco_stuff_pixelmaps": _coco_stuff_pixelmaps(),
    "voc": _voc(),
}
"""Built-in lists by the name that `classes` takes."""
