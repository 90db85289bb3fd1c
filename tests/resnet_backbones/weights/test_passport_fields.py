"""Every field of a passport: refused where it contradicts the network, kept through files of every
kind and name.
"""

import json
from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path

import pytest
import safetensors
import safetensors.torch
import timm
import torch
import torchvision
from command_line import Tools

from resnet_backbones.classifier import Classifier, create_classifier
from resnet_backbones.errors import UserError
from resnet_backbones.registry import build, create_backbone
from resnet_backbones.resnet import ResNetOptions
from resnet_backbones.resnet_cifar import CifarOptions
from resnet_backbones.resnet_identity import IdentityOptions
from resnet_backbones.resnet_preact import PreActOptions
from resnet_backbones.spec import BackboneSpec
from resnet_backbones.weights.converting import convert_weights
from resnet_backbones.weights.loading import load_weights
from resnet_backbones.weights.passport import Passport, UnknownFieldWarning
from resnet_backbones.weights.saving import save_weights
from resnet_backbones.weights.sources import read_source

DILATED = {"output_stride": 8, "levels": ["c5"]}
EVERYTHING = Passport(
    architecture="resnet18",
    source="somewhere",
    stride_in="3x3",
    pool="caffe",
    options={"shortcut": "B", "dilation": "detectron2", "output_stride": 16},
    channel_order="bgr",
    value_range=255.0,
    mean=(1.0, 2.0, 3.0),
    std=(4.0, 5.0, 6.0),
    resize_size=232,
    crop_size=200,
    interpolation="bicubic",
    label_map=("cat", "dog"),
    norm_eps=1e-3,
    adapted="conv1.weight was trained on 1 channel",
    licence="MIT",
    recipe="a1",
    library_version="0.0.1",
    commit="abc123",
    assumed=True,
    extra={"mood": "blue"},
)


def _identity(**options: object) -> dict[str, object]:
    return {"options": IdentityOptions(**options)}


@pytest.mark.parametrize(
    ("name", "trained", "built", "message"),
    [
        (
            "resnet20",
            {"options": CifarOptions(shortcut="A_centred")},
            {},
            r"shortcut='A_centred', got shortcut='A'; build .* options=resnet_backbones\.resnet_cifar\.CifarOptions\(shortcut='A_centred'\)",
        ),
        ("resnet18", {"options": ResNetOptions(shortcut="A")}, {"options": ResNetOptions(shortcut="A_centred")},
         r"shortcut='A', got shortcut='A_centred'"),
        ("resnet18", {"options": ResNetOptions(pool="caffe")}, {}, r"a caffe max-pool, got pool=padded"),
        ("resnetv2_20", _identity(order="original"), _identity(order="relu_before"),
         r"order='original', got order='relu_before'; build .*order='original'"),
        ("resnetv2_20", _identity(shortcut="A_centred"), {}, r"shortcut='A_centred', got shortcut='A'"),
        ("resnetv2_20", _identity(gate="exclusive"), _identity(gate="shortcut_only"), r"gate='exclusive', got gate="),
        ("resnetv2_20", _identity(gate="constant", branch_scale=0.5), _identity(gate="constant"),
         r"branch_scale=0\.5, got branch_scale=1\.0"),
        ("resnetv2_20", _identity(gate="constant", shortcut_scale=0.7), _identity(gate="constant"),
         r"shortcut_scale=0\.7, got shortcut_scale=0\.5"),
        ("resnet18", {"options": ResNetOptions(dilation="detectron2"), **DILATED}, DILATED,
         r"dilation='detectron2', got dilation='torchvision'"),
        ("resnetv2_18", {"options": PreActOptions(dilation="detectron2"), **DILATED}, DILATED,
         r"dilation='detectron2', got dilation='torchvision'"),
        ("vgg11", DILATED, {"levels": ["c5"]}, r"output_stride=8, got output_stride=32; build .* output_stride=8$"),
        ("googlenet", DILATED, {"levels": ["c5"], "output_stride": 16}, r"output_stride=8, got output_stride=16"),
        ("timm:resnet18", DILATED, {"levels": ["c5"]}, r"output_stride=8, got output_stride=32"),
        ("resnet50", {"stride_in": "1x1", "levels": ["c3"]}, {"levels": ["c3"]}, r"stride in the 1x1 convolution"),
    ],
)  # fmt: skip
def test_weights_that_fit_in_shape_only_are_refused(
    tmp_path: Path, name: str, trained: dict[str, object], built: dict[str, object], message: str
) -> None:
    save_weights(tmp_path / "file.safetensors", build(BackboneSpec(name, **trained)))
    with pytest.raises(UserError, match=message):
        create_backbone(name, weights=str(tmp_path / "file.safetensors"), **built)
    again = create_backbone(name, weights=str(tmp_path / "file.safetensors"), **trained)
    assert again.passport.options == build(BackboneSpec(name, **trained)).passport.options


@pytest.mark.parametrize(
    ("name", "trained", "built"),
    [
        ("resnet18", {"options": ResNetOptions(drop_path=0.1, zero_init_residual=True)}, {}),
        ("resnetv2_20", _identity(gate="exclusive", gate_bias=-3.0), _identity(gate="exclusive")),
        ("resnetv2_20", _identity(branch_scale=0.5), {}),  # which only the constant gate uses
        (
            "resnet18",
            {"levels": ["c5"]},
            {"options": ResNetOptions(dilation="detectron2"), **DILATED},
        ),
        ("resnet18", {"levels": ["c5"]}, {"output_stride": 16, "levels": ["c5"]}),
    ],
)
def test_weights_serve_what_differs_in_training_or_in_their_own_stride(
    tmp_path: Path, name: str, trained: dict[str, object], built: dict[str, object]
) -> None:
    save_weights(tmp_path / "file.safetensors", build(BackboneSpec(name, **trained)))
    network = create_backbone(name, weights=str(tmp_path / "file.safetensors"), **built)
    assert network.passport.options == build(BackboneSpec(name, **built)).passport.options


def test_our_weights_and_timms_serve_each_other(tmp_path: Path) -> None:
    for one, other in (("resnet18", "timm:resnet18"), ("timm:resnet18", "resnet18")):
        save_weights(tmp_path / "file.safetensors", create_backbone(one, levels=["c2"]))
        create_backbone(other, weights=str(tmp_path / "file.safetensors"), levels=["c2"])


def test_an_option_of_a_later_version_is_refused(tmp_path: Path) -> None:
    network = build(BackboneSpec("resnet18", levels=["c2"]))
    save_weights(
        tmp_path / "file.safetensors",
        network,
        replace(network.passport, options={"blur_pool": True}),
    )
    with pytest.raises(UserError, match=r"trained with blur_pool=True, got blur_pool=None"):
        load_weights(network, str(tmp_path / "file.safetensors"))


def test_files_of_earlier_versions_load(tmp_path: Path) -> None:
    network = build(BackboneSpec("resnet18", levels=["c2"]))
    later = ("options", "resize_size", "crop_size", "interpolation", "label_map", "library_version")
    values = {
        name: x for name, x in json.loads(network.passport.to_json()).items() if name not in later
    }
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(
        state, tmp_path / "file.safetensors", metadata={"passport": json.dumps(values)}
    )
    load_weights(network, str(tmp_path / "file.safetensors"))
    assert network.passport.options == {"shortcut": "B"}


@pytest.mark.parametrize("field", ["resize_size", "crop_size"])
def test_sizes_of_no_pixels_are_refused(field: str) -> None:
    with pytest.raises(UserError, match=f"passport: {field} must be pixels >= 1 or none, got 0"):
        replace(EVERYTHING, **{field: 0})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"interpolation": "cubic"},
            r"interpolation must be nearest, bilinear, bicubic, lanczos or none, got 'cubic'",
        ),
        ({"label_map": "cat"}, r"label_map must be a list of class names by index, got 'cat'"),
        ({"options": ("shortcut", "A")}, r"options must be values by name"),
    ],
)
def test_impossible_values_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(EVERYTHING, **wrong)


def test_the_example_has_no_default_value() -> None:
    plain = Passport(architecture="plain18")
    same = [
        field.name
        for field in fields(Passport)
        if getattr(plain, field.name) == getattr(EVERYTHING, field.name)
    ]
    assert same == ["stride_in"]  # basic blocks have no other


@pytest.mark.parametrize(
    ("dialect", "ending"),
    [("torchvision", "safetensors"), ("timm", "pth"), ("detectron2", "pkl"), ("mmdet", "pth")],
)
def test_a_conversion_keeps_every_field(tmp_path: Path, dialect: str, ending: str) -> None:
    source, target = tmp_path / "in.safetensors", tmp_path / f"out.{ending}"
    save_weights(source, build(BackboneSpec("resnet18")), EVERYTHING)
    with pytest.warns(UnknownFieldWarning, match="mood"):
        convert_weights(source, target, to_dialect=dialect, commit="def456")
    with pytest.warns(UnknownFieldWarning, match="mood"):
        passport = read_source(str(target)).passport
    written_by = {"library_version": version("resnet-backbones"), "commit": "def456"}
    assert passport == replace(EVERYTHING, source=str(target), **written_by)


def test_the_commit_is_that_of_the_code_that_wrote_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    network = build(BackboneSpec("resnet20"))
    save_weights(path, network, commit="abc123")
    assert create_backbone("resnet20", weights=str(path)).passport.commit == "abc123"
    save_weights(path, create_backbone("resnet20", weights=str(path)))
    assert read_source(str(path)).passport.commit == ""


def test_the_tool_takes_every_kind_of_field(tmp_path: Path, tools: Tools) -> None:
    source, target = tmp_path / "in.pth", tmp_path / "out.safetensors"
    torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), source)
    stated = (
        "crop_size=200",
        "resize_size=224",
        "interpolation=bicubic",
        'label_map=["cat", "dog"]',
    )
    options = 'options={"output_stride": 8, "dilation": "detectron2"}'
    flags = [flag for entry in (*stated, options) for flag in ("--passport", entry)]
    tools("tools/convert_weights.py", source, target, "--to", "torchvision", *flags)
    passport = read_source(str(target))[1]
    assert (passport.crop_size, passport.resize_size, passport.interpolation) == (
        200,
        224,
        "bicubic",
    )
    assert passport.label_map == ("cat", "dog")
    assert passport.options == {"output_stride": 8, "dilation": "detectron2"}
    refused = tools(
        "tools/convert_weights.py",
        source,
        target,
        "--to",
        "timm",
        "--passport",
        'options={"gate": 1}',
    )
    assert refused.status == 2
    assert (
        "options of resnet18 must be shortcut, pool, dilation, zero_init_residual, drop_path,"
        " squeeze_excite, got gate" in refused.error
    )


def _saved_classifier(path: Path, labels: tuple[str, ...]) -> Classifier:
    classifier = create_classifier("resnet20", num_classes=2)
    save_weights(
        path, classifier.state_dict(), replace(classifier.backbone.passport, label_map=labels)
    )
    return classifier


def test_class_names_come_with_the_head_only(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    _saved_classifier(path, ("cat", "dog"))
    assert create_classifier(
        "resnet20", num_classes=2, weights=str(path)
    ).backbone.passport.label_map == ("cat", "dog")
    assert (
        create_classifier(
            "resnet20", num_classes=3, weights=str(path), head="new"
        ).backbone.passport.label_map
        == ()
    )
    assert create_backbone("resnet20", weights=str(path)).passport.label_map == ()


def test_class_names_of_another_number_of_classes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    _saved_classifier(path, ("cat", "dog", "cow"))
    with pytest.raises(
        UserError,
        match=r"must name the 2 classes .*, got a label_map of 3; correct it with .*label_map=",
    ):
        create_classifier("resnet20", num_classes=2, weights=str(path))


def test_torchvision_and_timm_say_how_their_weights_were_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = torchvision.models.resnet50().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: state)
    found = read_source("torchvision:resnet50.IMAGENET1K_V2")[1]
    assert (found.resize_size, found.crop_size, found.interpolation) == (232, 224, "bilinear")
    assert found.label_map[:2] == ("tench", "goldfish")
    assert found.recipe.startswith("https://github.com/pytorch/vision/")
    network = timm.create_model("resnet50")
    monkeypatch.setattr("resnet_backbones.weights.sources._check_hub", lambda _: None)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: network)
    found = read_source("timm:resnet50.a1_in1k")[1]
    assert (found.resize_size, found.crop_size, found.interpolation) == (235, 224, "bicubic")
    assert found.licence == "apache-2.0"
