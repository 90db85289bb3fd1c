"""From the command line's arguments to a report on disk."""

from __future__ import annotations

import os
from argparse import Namespace

from benchmarks.common import Report
from resnet_backbones.errors import UserError


def run_benchmark(given: Namespace) -> str:
    """Run the benchmark that was named; its report, which is also written to `given.out`.

    Raises OutputsDifferError where ours and a peer's differ, UserError for arguments that cannot
    be.
    """
    if given.threads is not None and given.threads < 1:
        raise UserError(f"--threads must be >= 1, got {given.threads}")
    report = {
        "detection": _detection,
        "evaluation": _evaluation,
        "data": _data,
        "backbones": _backbones,
    }[given.benchmark](given)
    files = report.write(given.out)
    return "\n".join([report.markdown(), *(f"written: {file}" for file in files)])


def _detection(given: Namespace) -> Report:
    from benchmarks.detection import DetectionSettings, run

    _limit_threads(given.threads)
    # Our tools keep freed memory. That would hold for the peers of the process too, so here all do
    # without it.
    return run(
        DetectionSettings(
            images=given.images,
            count=given.count,
            detector=given.detector,
            detectron2=given.detectron2,
            short_edge=given.short_edge,
            long_edge=given.long_edge,
            batch=given.batch,
            train_batch=given.train_batch,
            device=given.device,
            compile=given.compile,
            rounds=given.rounds,
        )
    )


def _evaluation(given: Namespace) -> Report:
    if given.threads is not None:
        os.environ["RAYON_NUM_THREADS"] = str(
            given.threads
        )  # hotcoco's, read when it is first used; pycocotools has one
    from benchmarks.evaluation import EvaluationSettings, run

    return run(EvaluationSettings(scale=given.scale, rounds=given.rounds))


def _data(given: Namespace) -> Report:
    from benchmarks.data import DataSettings, run

    _limit_threads(given.threads)
    return run(
        DataSettings(
            images=given.images, count=given.count, short_edge=given.short_edge, rounds=given.rounds
        )
    )


def _backbones(given: Namespace) -> Report:
    from benchmarks.backbones import BackboneSettings, run

    _limit_threads(given.threads)
    return run(
        BackboneSettings(
            backbone=given.backbone,
            size=given.size,
            batch=given.batch,
            compile=not given.no_compile,
            rounds=given.rounds,
        )
    )


def _limit_threads(count: int | None) -> None:
    import torch

    if count is not None:
        torch.set_num_threads(count)
