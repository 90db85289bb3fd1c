"""The names that six libraries give to the same ResNet tensors, both ways; torchvision's are the
ones used inside.

timm's are torchvision's. mmdet's are torchvision's under `backbone.`, the classifier under `head.`.
detectron2 calls the stages res2 … res5; caffe2 (Detectron's and MSRA's files) abbreviates and knows
no counters of batch norm. kuangliu (pytorch-cifar, and akamaster's nets made from it) says
`shortcut` for `downsample` and `linear` for `fc`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from torch import Tensor

from resnet_backbones.errors import UserError

Dialect = Literal["torchvision", "timm", "detectron2", "caffe2", "mmdet", "kuangliu"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_PREFIXES = (
    *("module.", "_orig_mod."),  # of DistributedDataParallel and torch.compile
    *("model.", "net.", "backbone.", "encoder.", "bottom_up.", "body.", "resnet."),
    *("student.", "teacher."),
)
_FEATURES = re.compile(r"features\.(?=(conv1|bn1|layer\d)\.)")
"""A prefix before names of ResNets; VGG's own names start with `features.` too."""
_HEADS = {"linear": "fc", "classifier": "fc"}
_NORM = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}
_NORM_BACK = {short: name for name, short in _NORM.items()}
_FOREIGN_HEAD = {"detectron2": "linear", "mmdet": "head.fc", "kuangliu": "linear"}
_END_OF_STEM = "7"  # of mmdet's deep stem: the norm that torchvision's and timm's names call bn1


def detect(names: Iterable[str]) -> Dialect:
    """The dialect of a file's names; torchvision's also for timm's, which are the same."""
    names = list(names)
    if any(re.match(r"res\d_\d+_branch|res_conv1_bn|conv1_[wb]$", name) for name in names):
        return "caffe2"
    if any(re.search(r"(^|\.)(stem\.conv1\.|res\d\.\d+\.)", name) for name in names):
        return "detectron2"
    if any(re.match(r"backbone\.(conv1|bn1|stem|layer\d)\.", name) for name in names):
        return "mmdet"
    blocks = any(re.search(r"(^|\.)layer1\.\d+\.conv1\.weight$", name) for name in names)
    if blocks and any(re.search(r"(^|\.)(linear|shortcut\.\d)\.weight$", name) for name in names):
        return "kuangliu"
    return "torchvision"


def to_torchvision(tensors: Mapping[str, Tensor], dialect: Dialect) -> dict[str, Tensor]:
    """The tensors under torchvision's names; prefixes of wrappers (`module.`, `encoder.`, …) are
    removed.
    """
    return _rename(tensors, lambda name: _inward(without_prefixes(name), dialect))


def bare(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without prefixes of wrappers, otherwise under their own names."""
    return _rename(tensors, _bare)


def _rename(tensors: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Rename tensors; UserError if two would get the same name."""
    renamed: dict[str, Tensor] = {}
    first: dict[str, str] = {}
    for name, tensor in tensors.items():
        short = rename(name)
        if short in renamed:
            raise UserError(
                f"weights must hold one network, got {first[short]} and {name}, which without"
                f" prefixes are both {short}; leave one of them out with `backbones"
                f" convert-weights --rename {_beginning(first[short], name)}=unused.`"
            )
        renamed[short] = tensor
        first[short] = name
    return renamed


def _beginning(one: str, other: str) -> str:
    """Beginning of the longer of two names, or of the second if they are equal, that the other
    lacks.
    """
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    parts = longer.split(".")
    same = 0
    for part, counterpart in zip(parts, shorter.split("."), strict=False):
        if part != counterpart:
            break
        same += 1
    return ".".join(parts[: same + 1]) + "."


def from_torchvision(tensors: Mapping[str, Tensor], dialect: Dialect) -> dict[str, Tensor]:
    """The tensors under a dialect's names; caffe2's leave out `num_batches_tracked`.

    UserError names a tensor that has no name in the dialect, such as a deep stem's in detectron2.
    """
    kept = {
        n: t
        for n, t in tensors.items()
        if dialect != "caffe2" or not n.endswith("num_batches_tracked")
    }
    deep = any(name.startswith("conv1.0.") for name in kept)
    return {_outward(name, dialect, deep): tensor for name, tensor in kept.items()}


def without_prefixes(name: str) -> str:
    """A name without prefixes of wrappers, and with torchvision's name for a classifier."""
    name = _bare(name)
    head, _, last = name.rpartition(".")
    return f"{_HEADS[head]}.{last}" if head in _HEADS and last in ("weight", "bias") else name


def _bare(name: str) -> str:
    while name.startswith(_PREFIXES):
        name = name.partition(".")[2]
    return _FEATURES.sub("", name, count=1) if name.startswith("features.") else name


def _inward(name: str, dialect: Dialect) -> str:
    if dialect == "caffe2":
        return _from_caffe2(name)
    if dialect == "detectron2":
        return _from_detectron2(name)
    if dialect == "mmdet" and name.startswith(f"stem.{_END_OF_STEM}."):
        return f"bn1.{name.split('.')[-1]}"
    if dialect == "mmdet" and name.startswith("head.fc."):
        return name.removeprefix("head.")
    if dialect == "kuangliu":
        return name.replace(".shortcut.", ".downsample.")
    return re.sub(r"^stem\.", "conv1.", name) if dialect == "mmdet" else name


def _outward(name: str, dialect: Dialect, deep: bool) -> str:
    if dialect in ("torchvision", "timm"):
        return name
    head, _, last = name.rpartition(".")
    if head == "fc":
        return f"pred_{last[0]}" if dialect == "caffe2" else f"{_FOREIGN_HEAD[dialect]}.{last}"
    if dialect == "kuangliu":
        return name.replace(".downsample.", ".shortcut.")
    if dialect == "mmdet":
        stem = (
            re.sub(r"^bn1\.", f"stem.{_END_OF_STEM}.", re.sub(r"^conv1\.", "stem.", name))
            if deep
            else name
        )
        return f"backbone.{stem}"
    renamed = _to_detectron2(name)
    if renamed is None:
        raise UserError(
            f"weights must be of a plain ResNet to be renamed to {dialect}, got {name}; use --to"
            " timm"
        )
    return renamed if dialect == "detectron2" else _to_caffe2(renamed)


def _to_detectron2(name: str) -> str | None:
    """`layer1.0.bn2.bias` -> `res2.0.conv2.norm.bias`; None if there is no such name."""
    stem = re.fullmatch(r"(conv|bn)1\.(\w+)", name)
    if stem:
        return f"stem.conv1.{'norm.' if stem[1] == 'bn' else ''}{stem[2]}"
    inner = re.fullmatch(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))\.(\w+)", name)
    if inner is None:
        return None
    part = "shortcut" if inner[5] else f"conv{inner[4]}"
    norm = "norm." if inner[3] == "bn" or inner[5] == "1" else ""
    return f"res{int(inner[1]) + 1}.{inner[2]}.{part}.{norm}{inner[6]}"


def _from_detectron2(name: str) -> str:
    name = re.sub(r"^stem\.", "", name)
    name = re.sub(r"^res(\d)\.", lambda stage: f"layer{int(stage[1]) - 1}.", name)
    name = re.sub(r"\bconv(\d)\.norm\.", r"bn\1.", name)
    return name.replace(".shortcut.norm.", ".downsample.1.").replace(".shortcut.", ".downsample.0.")


def _to_caffe2(name: str) -> str:
    """`res2.0.conv2.norm.bias` -> `res2_0_branch2b_bn_b`."""
    *place, last = name.removeprefix("stem.").split(".")
    norm = place[-1] == "norm"
    place = place[:-1] if norm else place
    if len(place) == 1:  # the stem
        place = ["res", "conv1"] if norm else place
    else:
        place[-1] = "branch1" if place[-1] == "shortcut" else f"branch2{' abc'[int(place[-1][-1])]}"
    return "_".join(
        [*place, "bn", _NORM[last]] if norm else [*place, {"weight": "w", "bias": "b"}[last]]
    )


def _from_caffe2(name: str) -> str:
    """`res2_0_branch2b_bn_b` -> `layer1.0.bn2.bias`; other names stay."""
    head = re.fullmatch(r"(?:pred|fc1000)_([wb])", name)
    if head:
        return f"fc.{'weight' if head[1] == 'w' else 'bias'}"
    found = re.fullmatch(
        r"(?:res(\d)_(\d+)_branch(1|2[abc])|(?:res_)?conv1)(_bn)?_(s|b|rm|riv|w)", name
    )
    if found is None:
        return name
    last = _NORM_BACK[found[5]] if found[4] else {"w": "weight", "b": "bias"}[found[5]]
    if found[1] is None:
        return f"{'bn' if found[4] else 'conv'}1.{last}"
    block = f"layer{int(found[1]) - 1}.{found[2]}"
    if found[3] == "1":
        return f"{block}.downsample.{1 if found[4] else 0}.{last}"
    return f"{block}.{'bn' if found[4] else 'conv'}{'abc'.index(found[3][1]) + 1}.{last}"
