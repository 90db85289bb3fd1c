"""`backbones serve`: a local web page to try a trained network.  Imports nothing heavy."""

from __future__ import annotations

import os
import signal
import sys
import webbrowser
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_backbones.errors import UserError
from tasks.cli.command import Command
from tasks.cli.registry import Task, saved_task
from tasks.engine.run_files import find_checkpoint

if TYPE_CHECKING:
    from tasks.serve.model import Served

MEGABYTE = 1_000_000


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        metavar="RUN",
        help="a run's folder (its best checkpoint), a checkpoint file, or ours:shapes, a"
        " detector of drawn shapes that comes with the package",
    )
    parser.add_argument(
        "--port", type=int, help="port of the page (default: 8765, or a free one if it is taken)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address of this machine to listen at; other machines can connect unless it is the"
        " default (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--max-upload", type=float, default=32, help="largest file in MB (default: 32)"
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)"
    )
    parser.add_argument(
        "--precision", choices=("auto", "bf16", "fp32"), default="auto", help="default: auto"
    )


def _check(arguments: Namespace) -> None:
    port = arguments.port
    if port is not None and not 0 <= port < 1 << 16:
        raise UserError(f"--port must be from 0 to 65535, got {port}")
    if not arguments.max_upload > 0:
        raise UserError(f"--max-upload must be > 0, got {arguments.max_upload:g}")
    find_checkpoint(Path(arguments.checkpoint))  # answered before torch is imported


def _run(arguments: Namespace, _: ArgumentParser) -> None:
    _check(arguments)
    task = saved_task(arguments.checkpoint)
    predictor = task.load(
        arguments.checkpoint, device=arguments.device, precision=arguments.precision
    )
    from tasks.serve.server import PORT, open_server

    served = serve_predictor(task, predictor, arguments.checkpoint)
    most = round(arguments.max_upload * MEGABYTE)
    with open_server(served, arguments.host, arguments.port, most) as server:
        if arguments.port is None and server.server_port != PORT:
            print(f"port {PORT} is taken by another program")
        if not server.is_local:
            print("warning: other machines that reach this address can use it", file=sys.stderr)
        print(f"{arguments.checkpoint} answers at {server.url}\nCtrl-C ends it", flush=True)
        if not arguments.no_browser and _has_screen():
            webbrowser.open(server.url)
        for number in (signal.SIGINT, signal.SIGTERM):  # shells ignore SIGINT in the background
            signal.signal(number, signal.default_int_handler)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")


def serve_predictor(task: Task, predictor: object, name: str) -> Served:
    """A loaded network as the page sees it; `name` is what people call it."""
    from tasks.serve.model import Served

    return Served(
        name=name,
        task=task.name,
        label_map=predictor.label_map,  # type: ignore[attr-defined]  # all predictors have it
        score=task.score or 0.0,
        predictor=predictor,
        page_answer=task.page_answer.load(),
    )


def _has_screen() -> bool:
    """Whether there is a screen for a browser; without one, Python would start a text browser."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


COMMAND = Command(
    name="serve",
    summary="Open a local web page to try a trained network.",
    details="Drop images, a folder or a short video onto it, see boxes, masks or classes, move the"
    " score threshold, and save what was found. Only this machine can reach it.",
    examples="""
backbones serve ours:shapes
backbones serve runs/quickstart
backbones serve runs/quickstart --port 9000 --no-browser
""",
    add_arguments=_add_arguments,
    run=_run,
)
