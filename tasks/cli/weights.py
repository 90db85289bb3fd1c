"""`backbones convert-weights`: weights in another library's names.  Imports nothing heavy."""

from argparse import ArgumentParser, Namespace, _MutuallyExclusiveGroup
from pathlib import Path

from resnet_backbones.errors import UserError
from tasks.cli.command import Command, add_force
from tasks.outputs import Outputs

DIALECTS = ("torchvision", "timm", "detectron2", "caffe2", "mmdet", "kuangliu")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "source", metavar="IN", type=Path, help=".safetensors, torch.save file or pickle of arrays"
    )
    parser.add_argument(
        "target",
        metavar="OUT",
        type=Path,
        help=".safetensors, .pth or .pkl; all carry the passport",
    )
    parser.add_argument("--from", dest="from_dialect", choices=("auto", *DIALECTS), default="auto")
    parser.add_argument("--to", dest="to_dialect", choices=DIALECTS, required=True)
    parser.add_argument(
        "--architecture", help="backbone of the file, if names and shapes do not tell"
    )
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="replace a beginning of names; may be repeated",
    )
    parser.add_argument(
        "--passport",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a fact about the file's origin; may be repeated",
    )
    parser.add_argument(
        "--channel-order", choices=("rgb", "bgr"), help="reorder the first convolution's channels"
    )
    add_force(parser)
    _add_folding(parser.add_mutually_exclusive_group())


def _add_folding(folding: _MutuallyExclusiveGroup) -> None:
    """Add the options that fold the normalisation of pixels into the first convolution."""
    folding.add_argument(
        "--fold-std",
        dest="fold",
        action="store_const",
        const="std",
        help="divide the first convolution by the std, which is 1 afterwards",
    )
    folding.add_argument(
        "--fold-mean-std",
        dest="fold",
        action="store_const",
        const="mean-std",
        help="the same, refused unless the mean is 0",
    )


def _run(arguments: Namespace, parser: ArgumentParser) -> None:
    if any("=" not in entry for entry in [*arguments.rename, *arguments.passport]):
        parser.error("--rename takes OLD=NEW, --passport FIELD=VALUE")
    if not arguments.source.is_file():  # answered before torch is imported
        raise UserError(f"IN must be an existing file, got {arguments.source}")
    outputs = Outputs(by="convert-weights", force=arguments.force, inputs=(arguments.source,))
    outputs.claim(arguments.target)
    from resnet_backbones.weights.converting import convert_weights, parse_fields
    from tasks.engine.environment import find_commit

    with outputs.owning(arguments.target):
        report = convert_weights(
            arguments.source,
            arguments.target,
            from_dialect=arguments.from_dialect,
            to_dialect=arguments.to_dialect,
            architecture=arguments.architecture,
            rename=[tuple(entry.split("=", 1)) for entry in arguments.rename],
            passport_fields=parse_fields(arguments.passport),
            channel_order=arguments.channel_order,
            fold=arguments.fold,
            commit=find_commit() or "",
        )
    print(report)


COMMAND = Command(
    name="convert-weights",
    summary="Rewrite a weights file in another library's names.",
    details="Prints the largest difference between the features of both files.",
    examples="""
backbones convert-weights R-50.pkl r50.safetensors --to torchvision
backbones convert-weights r50.safetensors r50_rgb.pth --to mmdet --channel-order rgb
""",
    add_arguments=_add_arguments,
    run=_run,
)
