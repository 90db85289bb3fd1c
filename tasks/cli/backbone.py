"""`backbones describe` and `backbones responses`: what a backbone is and does.  Imports nothing
heavy; `describe` works with torch and safetensors alone.
"""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path

from resnet_backbones.errors import UserError
from resnet_backbones.zoo.catalogue import PREFIX, find_weights
from tasks.cli.command import Command, add_force
from tasks.files import writing
from tasks.outputs import Outputs

_ENDINGS = (".safetensors", ".pth", ".pt", ".pkl", ".th", ".bin", ".ckpt")


def _describe_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "name",
        metavar="NAME|FILE",
        help="registered backbone, timm:MODEL, ours:NAME, or a file of weights",
    )
    parser.add_argument(
        "--size", type=int, help="image side in pixels (default: 224, or 32 for CIFAR nets)"
    )
    parser.add_argument(
        "--classes", type=int, default=1000, help="classes of the classifier (default: 1000)"
    )
    parser.add_argument(
        "--stride-in",
        choices=("3x3", "1x1"),
        default="3x3",
        help="convolution of a bottleneck with the stride: 3x3 is v1.5 (default), 1x1 the paper's"
        " v1",
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the family's options; may be repeated",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a Markdown table")
    form.add_argument("--json", action="store_true", help="print JSON")


def _describe(arguments: Namespace, parser: ArgumentParser) -> None:
    if arguments.size is not None and arguments.size < 1:
        parser.error(f"--size must be >= 1, got {arguments.size}")
    if any("=" not in entry for entry in arguments.option):
        parser.error("--option takes NAME=VALUE")
    if _is_file(arguments.name):
        _describe_file(arguments, parser)
        return
    from resnet_backbones.registry import check_name, make_options

    check_name(arguments.name)  # answers before torch is imported
    from resnet_backbones.analysis.complexity import measure
    from resnet_backbones.weights.converting import parse_fields

    costs = measure(
        arguments.name,
        size=arguments.size,
        num_classes=arguments.classes,
        stride_in=arguments.stride_in,
        options=make_options(arguments.name, parse_fields(arguments.option)),
    )
    if arguments.json:
        print(costs.to_json())
    else:
        print(costs.to_markdown() if arguments.markdown else costs)


def _is_file(name: str) -> bool:
    """Whether an argument is `ours:NAME` or a path: it has a folder or an ending, or exists."""
    from resnet_backbones.registry import list_backbones

    if name.startswith(PREFIX):
        return True
    if name in list_backbones() or name.startswith("timm:"):
        return False
    return "/" in name or Path(name).suffix in _ENDINGS or Path(name).is_file()


def _describe_file(arguments: Namespace, parser: ArgumentParser) -> None:
    if arguments.size is not None or arguments.option or arguments.markdown:
        parser.error("--size, --option and --markdown apply to a NAME, got a FILE")
    if arguments.name.startswith(PREFIX):
        find_weights(arguments.name)  # answers before torch is imported
    elif not Path(arguments.name).is_file():
        raise UserError(f"FILE must be an existing file of weights, got {arguments.name}")
    from resnet_backbones.weights.describing import describe_file

    described = describe_file(arguments.name)
    print(described.to_json() if arguments.json else described)


def _responses_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME[=WEIGHTS]", help="registered backbones, or timm:MODEL"
    )
    parser.add_argument("--images", type=Path, help="folder of images (default: noise)")
    parser.add_argument("--count", type=int, default=16, help="number of images (default: 16)")
    parser.add_argument("--size", type=int, default=224, help="image side in pixels (default: 224)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of random weights and noise (default: 0)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/responses"), help="folder (default: runs/responses)"
    )
    add_force(parser)


def _responses(arguments: Namespace, parser: ArgumentParser) -> None:
    if min(arguments.count, arguments.size) < 2:
        parser.error(f"--count and --size must be >= 2, got {arguments.count} and {arguments.size}")
    from resnet_backbones.registry import check_name

    for entry in arguments.names:
        check_name(entry.partition("=")[0])  # answers before torch is imported
    for module in ("numpy", "PIL", "matplotlib"):
        import_module(module)  # needed at the end, so check for it now
    from resnet_backbones.analysis.study import files_of_study, study_responses

    outputs = Outputs(by="responses", force=arguments.force)
    files = files_of_study(arguments.names, arguments.out)
    with outputs.owning(*files), writing(arguments.out):
        tables = study_responses(
            arguments.names,
            arguments.out,
            images=arguments.images,
            count=arguments.count,
            size=arguments.size,
            seed=arguments.seed,
        )
    print(tables)


DESCRIBE = Command(
    name="describe",
    summary="Show a backbone's cost, or the content of a weights file.",
    details="NAME gives a table of levels, parameters, MACs and FLOPs, activations and memory by"
    " stage; FILE gives its passport and how to load it.",
    examples="""
backbones describe resnet50
backbones describe vgg16 --size 512 --markdown
backbones describe timm:convnext_tiny --json
backbones describe weights.safetensors
backbones describe resnet34 --option shortcut=C
""",
    add_arguments=_describe_arguments,
    run=_describe,
)
RESPONSES = Command(
    name="responses",
    summary="Measure the layer responses of backbones.",
    details="Layer responses (He et al. 2016, fig. 7), signal norms by depth, residual over"
    " identity: tables and a picture.",
    examples="""
backbones responses resnet20=ours:resnet20.cifar10 resnet56=ours:resnet56.cifar10 --size 32
backbones responses resnet50=weights.safetensors --images IMAGES
backbones responses resnet50 vgg16_bn --images IMAGES --out runs/responses
""",
    add_arguments=_responses_arguments,
    run=_responses,
)
