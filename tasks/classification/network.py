"""Build the classifier that settings describe."""

from __future__ import annotations

from dataclasses import replace

from resnet_backbones.classifier import Classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import build, make_options
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.passport import Passport
from tasks.classification.config import ClassificationConfig, ModelConfig
from tasks.classification.data_config import DataConfig
from tasks.labels import LabelMap


def build_network(config: ModelConfig, classes: int) -> Classifier:
    """Build a classifier with random weights; UserError for options that its family does not
    have.
    """
    spec = BackboneSpec(
        config.backbone,
        pretrained=config.weights is not None,
        norm=config.norm,
        freeze_through=config.freeze_through,
        stride_in=config.stride_in,
        checkpoint_activations=config.checkpoint_activations,
        options=make_options(config.backbone, config.options.given()),
    )
    return Classifier(build(spec), classes)


def describe_use(passport: Passport, config: ClassificationConfig, label_map: LabelMap) -> Passport:
    """Make the passport of weights trained with these settings. The input stays as it was, or
    follows data.mean and data.std; size, classes and source come from the settings.

    UserError if the initial weights need another mean.
    """
    mean, std = pixel_statistics(passport, config.data, started=config.model.weights is not None)
    return replace(
        passport,
        mean=mean,
        std=std,
        resize_size=config.test.resize,
        crop_size=config.test.crop,
        interpolation=config.test.interpolation,
        label_map=label_map.names,
        source=passport.source if config.model.weights is not None else "trained from scratch",
    )


def pixel_statistics(
    passport: Passport, config: DataConfig, *, started: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation for normalisation; UserError if data.mean contradicts the
    initial weights.
    """
    if config.mean is None or config.std is None:
        return passport.mean, passport.std
    same = (config.mean, config.std) == (passport.mean, passport.std)
    if started and not passport.assumed and not same:
        rule = "data.mean and data.std must be null if model.weights states its own"
        seen = f"{config.mean}, {config.std} for weights of {passport.mean}, {passport.std}"
        raise UserError(f"{rule}, got {seen}; leave them out")
    return config.mean, config.std


def mean_colour(passport: Passport) -> tuple[int, int, int]:
    """Return the RGB colour that normalisation makes zero, to half a gray level."""
    mean = passport.mean[::-1] if passport.channel_order == "bgr" else passport.mean
    red, green, blue = (round(255 * value / passport.value_range) for value in mean)
    return red, green, blue
