"""The input that a set of weights expects, and the normalisation that follows from it.

B images of C channels, H x W pixels.
"""

import json
import warnings
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from resnet_backbones.errors import UserError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MSRA_MEAN = (103.53, 116.28, 123.675)
"""Mean of blue, green and red in 0–255, of networks that come from Caffe through Detectron."""
_TUPLES = ("mean", "std", "label_map")
_TEXTS = ("architecture", "source", "adapted", "licence", "recipe", "library_version", "commit")
_SMALLEST_STD = 1e-6
_LARGEST = 1e6  # of a mean or a deviation, which are of pixels up to 255
_WHITE = {torch.uint8: 255.0, torch.uint16: 65535.0}


class UnknownFieldWarning(UserWarning):
    """A passport holds a field that this version does not know."""


@dataclass(frozen=True, kw_only=True)
class Passport:
    """Architecture, preprocessing and origin of weights; travels in the metadata of a .safetensors
    file.
    """

    architecture: str
    """Registered backbone name."""
    source: str = "scratch"
    """Where the weights come from: `scratch`, a path, `torchvision:…`, `timm:…` or `ours:…`."""
    stride_in: str = "3x3"
    """Convolution of a bottleneck that carries the stride, `3x3` or `1x1`."""
    pool: str = "padded"
    """The stem's max-pool: `padded` by one pixel as in torchvision, or `caffe`, without padding and
    rounded up."""
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    """The family's other options that change what the weights compute, by name, and an output
    stride below 32."""
    channel_order: str = "rgb"
    """`rgb`, or `bgr` for networks that come from Caffe."""
    value_range: float = 1.0
    """Value of a white pixel before the mean is subtracted: 1 or 255."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean to subtract, by channel in `channel_order`."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation to divide by, after the mean."""
    resize_size: int | None = None
    """Shorter side in pixels that test images were resized to before the crop; None if unknown."""
    crop_size: int | None = None
    """Side in pixels of the square crop from their centre."""
    interpolation: str | None = None
    """Interpolation of that resize: `nearest`, `bilinear`, `bicubic` or `lanczos`."""
    label_map: tuple[str, ...] = ()
    """Names of the classifier's classes by index; empty for a backbone alone, or if unknown."""
    norm_eps: float = 1e-5
    """Epsilon of the normalisation layers."""
    adapted: str = ""
    """How the first convolution was fitted to another number of channels."""
    licence: str = ""
    """Licence of the weights, as their source states it."""
    recipe: str = ""
    """How the weights were trained: a configuration's name or address."""
    library_version: str = ""
    """Version of resnet-backbones that wrote the file; empty for other files."""
    commit: str = ""
    """Git commit of the code that wrote the file; empty if unknown."""
    assumed: bool = False
    """Whether the preprocessing was assumed because the file said nothing."""
    extra: dict[str, Any] = field(default_factory=dict, hash=False)
    """Fields of a later version by name; they are kept when the passport is written again."""

    def __post_init__(self) -> None:
        if self.stride_in not in ("3x3", "1x1"):
            raise UserError(f"passport: stride_in must be 3x3 or 1x1, got {self.stride_in!r}")
        if self.pool not in ("padded", "caffe"):
            raise UserError(f"passport: pool must be padded or caffe, got {self.pool!r}")
        if self.channel_order not in ("rgb", "bgr"):
            raise UserError(
                f"passport: channel_order must be rgb or bgr, got {self.channel_order!r}"
            )
        if self.value_range not in (1.0, 255.0):
            raise UserError(f"passport: value_range must be 1 or 255, got {self.value_range!r}")
        numbers = all(_is_moderate(value) for value in (*self.mean, *self.std))
        equal = len(self.mean) == len(self.std) > 0
        if not numbers or not equal or min(self.std) < _SMALLEST_STD:
            seen = f"mean {self.mean}, std {self.std}"
            raise UserError(
                "passport: mean and std need one finite number a channel and std >="
                f" {_SMALLEST_STD:g}, got {seen}"
            )
        if not _is_moderate(self.norm_eps) or not 0 <= self.norm_eps <= 1:
            raise UserError(
                f"passport: norm_eps must be a number from 0 to 1, got {self.norm_eps!r}"
            )
        self._check_texts()
        self._check_later_fields()

    def _check_texts(self) -> None:
        for name in _TEXTS:
            value = getattr(self, name)
            if not isinstance(value, str):
                raise UserError(f"passport: {name} must be a text, got {value!r}")
        if not isinstance(self.assumed, bool):
            raise UserError(f"passport: assumed must be true or false, got {self.assumed!r}")

    def _check_later_fields(self) -> None:
        for name, size in (("resize_size", self.resize_size), ("crop_size", self.crop_size)):
            if size is not None and (not isinstance(size, int) or size < 1):
                raise UserError(f"passport: {name} must be pixels >= 1 or none, got {size!r}")
        if self.interpolation not in (None, "nearest", "bilinear", "bicubic", "lanczos"):
            known = "nearest, bilinear, bicubic, lanczos or none"
            raise UserError(f"passport: interpolation must be {known}, got {self.interpolation!r}")
        if not isinstance(self.label_map, tuple) or not all(
            isinstance(name, str) for name in self.label_map
        ):
            raise UserError(
                "passport: label_map must be a list of class names by index, got"
                f" {self.label_map!r}"
            )
        if not isinstance(self.options, dict):
            raise UserError(f"passport: options must be values by name, got {self.options!r}")

    def with_channels(self, channels: int) -> "Passport":
        """The passport for inputs of `channels` channels: mean and std are repeated cyclically."""
        if channels == len(self.mean):
            return self
        if self.channel_order == "bgr":
            raise UserError(
                f"weights of channel order bgr cannot take {channels} input channels; use"
                f" in_channels={len(self.mean)}, or first `backbones convert-weights"
                " --channel-order rgb`"
            )
        cycle = [index % len(self.mean) for index in range(channels)]
        return replace(
            self, mean=tuple(self.mean[i] for i in cycle), std=tuple(self.std[i] for i in cycle)
        )

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads."""
        values = asdict(self)
        return json.dumps({**values.pop("extra"), **values}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Passport":
        """Read the output of `to_json` of this or another version.

        Fields that this version does not know are kept in `extra`, with an UnknownFieldWarning.
        Raises UserError for text that is not a passport.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"passport: must be one JSON object, got {text[:80]!r}") from error
        if not isinstance(values, dict) or "architecture" not in values:
            raise UserError(
                f"passport: must be an object that names its architecture, got {text[:80]!r}"
            )
        names = {entry.name for entry in fields(Passport)} - {"extra"}
        unknown = {name: value for name, value in values.items() if name not in names}
        if unknown:
            message = f"the passport of these weights holds {', '.join(unknown)}, which this"
            warnings.warn(
                f"{message} version of resnet-backbones does not know; they are kept, not used",
                UnknownFieldWarning,
                stacklevel=2,
            )
        known = {name: value for name, value in values.items() if name in names}
        for name in _TUPLES:
            if name in known and not isinstance(known[name], list):
                raise UserError(f"passport: {name} must be a list, got {known[name]!r}")
            known |= {name: tuple(known[name])} if name in known else {}
        return Passport(**known, extra=unknown)

    def __str__(self) -> str:
        mean, std = (
            ", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std)
        )
        return f"{self.channel_order.upper()} in 0–{self.value_range:g}, mean ({mean}), std ({std})"


class PixelNormalizer(nn.Module):
    """(B, C, H, W) RGB pixels -> float32 channels_last network input, zero outside each image's
    valid size.

    Integers are scaled by their type's largest value; floats are taken to be 0–1 already.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, passport: Passport) -> None:
        super().__init__()
        mean = torch.tensor(passport.mean, dtype=torch.float64).reshape(1, -1, 1, 1)
        std = torch.tensor(passport.std, dtype=torch.float64).reshape(1, -1, 1, 1)
        self.register_buffer("scale", (passport.value_range / std).float(), persistent=False)
        self.register_buffer("shift", (-mean / std).float(), persistent=False)
        self.reverse = passport.channel_order == "bgr"

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> Tensor:
        """Normalise, then zero the padding. `sizes` (B, 2) holds each image's valid height and
        width; None is all.
        """
        if images.shape[1] != self.scale.shape[1]:
            raise UserError(
                f"images must have {self.scale.shape[1]} channels, got {images.shape[1]}"
            )
        ordered = images.flip(1) if self.reverse else images
        pixels = ordered.to(torch.float32, memory_format=torch.channels_last)
        normalized = torch.addcmul(self.shift, pixels, self.scale / _WHITE.get(images.dtype, 1.0))
        return (
            normalized
            if sizes is None
            else normalized.masked_fill_(_padding(normalized, sizes), 0.0)
        )


def _is_moderate(value: object) -> bool:
    """Whether a value is finite and in the range of float32."""
    return isinstance(value, int | float) and abs(value) <= _LARGEST


def _padding(images: Tensor, sizes: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) >= sizes[:, :1]  # (B, H)
    columns = torch.arange(width, device=images.device) >= sizes[:, 1:]  # (B, W)
    return (rows[:, :, None] | columns[:, None, :])[:, None]  # (B, 1, H, W)
