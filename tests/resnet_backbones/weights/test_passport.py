"""The passport's JSON and the normalisation derived from it."""

import json

import pytest
import torch

from resnet_backbones.errors import UserError
from resnet_backbones.weights.passport import Passport, PixelNormalizer, UnknownFieldWarning

IMAGENET = Passport(architecture="resnet18")


def test_json_round_trip() -> None:
    passport = Passport(
        architecture="resnet50", source="MSRA", stride_in="1x1", channel_order="bgr", value_range=255.0,
        mean=(103.53, 116.28, 123.675), std=(1.0, 1.0, 1.0), norm_eps=1e-3, assumed=True,
    )  # fmt: skip
    assert Passport.from_json(passport.to_json()) == passport


@pytest.mark.parametrize("text", ['{"crop": 1}', "[1]", "null", "resnet50", ""])
def test_text_that_is_no_passport_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^passport: must be"):
        Passport.from_json(text)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('"mean": null', "mean must be a list, got None"),
        ('"label_map": "cat"', "label_map must be a list, got 'cat'"),
        ('"std": 1', "std must be a list, got 1"),
        ('"mean": ["a"], "std": [1]', "one finite number a channel"),
        ('"mean": [0, null], "std": [1, 1]', "one finite number a channel"),
        ('"mean": [NaN], "std": [1]', "one finite number a channel"),
        ('"mean": [0], "std": [Infinity]', "one finite number a channel"),
        ('"mean": [0], "std": [1e-320]', "one finite number a channel"),
        ('"norm_eps": -1', "norm_eps must be a number from 0 to 1, got -1"),
        ('"norm_eps": NaN', "norm_eps must be a number from 0 to 1, got nan"),
        ('"norm_eps": "x"', "norm_eps must be a number from 0 to 1, got 'x'"),
        ('"architecture": 5', "architecture must be a text, got 5"),
        ('"licence": []', r"licence must be a text, got \[\]"),
        ('"assumed": "no"', "assumed must be true or false, got 'no'"),
    ],
)
def test_values_of_the_wrong_type_are_refused(field: str, message: str) -> None:
    """fault_campaign, odd passports: a number that no pixel survives is refused as well."""
    with pytest.raises(UserError, match=message):
        Passport.from_json(f'{{"architecture": "resnet18", {field}}}')


def test_unknown_fields_of_a_newer_version_are_kept_with_a_warning() -> None:
    text = '{"architecture": "resnet18", "mean": [0.5, 0.5, 0.5], "aura": 1, "mood": "blue"}'
    with pytest.warns(UnknownFieldWarning, match="holds aura, mood, which this version"):
        passport = Passport.from_json(text)
    extra = {"aura": 1, "mood": "blue"}
    assert passport == Passport(architecture="resnet18", mean=(0.5, 0.5, 0.5), extra=extra)
    written = json.loads(passport.to_json())
    assert (written["aura"], written["mood"]) == (1, "blue")
    assert "extra" not in written


@pytest.mark.parametrize(
    "wrong",
    [
        {"stride_in": "5x5"},
        {"channel_order": "gbr"},
        {"value_range": 2.0},
        {"mean": ()},
        {"std": (1, 0, 1)},
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError, match=f"passport: .*{next(iter(wrong))}"):
        Passport(architecture="resnet18", **wrong)


def test_other_channel_counts_repeat_mean_and_std() -> None:
    assert IMAGENET.with_channels(1).mean == (0.485,)
    assert IMAGENET.with_channels(5).std == (0.229, 0.224, 0.225, 0.229, 0.224)


def test_bgr_with_other_channel_counts_is_refused() -> None:
    with pytest.raises(UserError, match=r"bgr cannot take 4 input channels"):
        Passport(architecture="resnet50", channel_order="bgr").with_channels(4)


@pytest.mark.parametrize(
    ("dtype", "white"),
    [(torch.uint8, 255), (torch.uint16, 65535), (torch.float32, 1), (torch.float64, 1)],
)
def test_white_is_one_minus_mean_over_std_for_every_type(dtype: torch.dtype, white: int) -> None:
    normalized = PixelNormalizer(IMAGENET)(torch.full((1, 3, 2, 2), white, dtype=dtype))
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert normalized[0, :, 1, 1].tolist() == pytest.approx(expected, abs=1e-5)
    assert normalized.dtype == torch.float32


def test_bgr_255_takes_rgb_images() -> None:
    passport = Passport(
        architecture="resnet50",
        channel_order="bgr",
        value_range=255.0,
        mean=(1.0, 2.0, 3.0),
        std=(1.0, 1.0, 10.0),
    )
    image = torch.tensor([33, 20, 10], dtype=torch.uint8).reshape(1, 3, 1, 1)  # red, green, blue
    assert PixelNormalizer(passport)(image).flatten().tolist() == pytest.approx(
        [9.0, 18.0, 3.0], abs=1e-4
    )


def test_padding_is_exactly_zero_after_normalisation_and_pixels_are_not() -> None:
    images = torch.zeros(2, 3, 4, 6, dtype=torch.uint8)
    normalized = PixelNormalizer(IMAGENET)(images, torch.tensor([[2, 6], [4, 3]]))
    valid = torch.zeros(2, 4, 6, dtype=torch.bool)
    valid[0, :2, :] = True
    valid[1, :, :3] = True
    assert (normalized != 0).all(1).equal(valid)
    assert (normalized == 0).all(1).equal(~valid)


def test_padding_may_hold_anything() -> None:
    images = torch.full((1, 3, 2, 2), float("nan"))
    assert PixelNormalizer(IMAGENET)(images, torch.tensor([[0, 0]])).abs().sum().item() == 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_output_is_channels_last_whatever_the_input(dtype: torch.dtype) -> None:
    for layout in (torch.contiguous_format, torch.channels_last):
        images = torch.zeros(2, 3, 4, 6, dtype=dtype).contiguous(memory_format=layout)
        normalized = PixelNormalizer(IMAGENET)(images, torch.tensor([[4, 6], [2, 2]]))
        assert normalized.is_contiguous(memory_format=torch.channels_last)


def test_the_input_is_left_alone() -> None:
    images = torch.ones(1, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    PixelNormalizer(IMAGENET)(images, torch.tensor([[1, 1]]))
    assert images.eq(1).all()


def test_constants_are_not_in_the_state_dict() -> None:
    assert PixelNormalizer(IMAGENET).state_dict() == {}


def test_a_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(UserError, match="images must have 3 channels, got 1"):
        PixelNormalizer(IMAGENET)(torch.zeros(1, 1, 2, 2))
