"""A run's folder with the checkpoint of a tiny, untrained detector, shared by the tests."""

from pathlib import Path

import torch
from tiny_detector import TINY, tiny_detector

from tasks.detection.config import DataConfig, DetectionConfig, ModelConfig
from tasks.detection.model.faster_rcnn import FasterRCNN
from tasks.engine.checkpoint import Checkpoints
from tasks.engine.config import to_saved
from tasks.engine.optim import Ema
from tasks.engine.progress import Progress
from tasks.labels import LabelMap
from tasks.vision.saved import network_metadata

CLASSES = LabelMap((10, 20, 30), ("cat", "dog", "thing"))
DATA = DataConfig(short_edge=(64,), long_edge=128, workers=0)


def save_detector(
    folder: Path,
    model: FasterRCNN | None = None,
    config: ModelConfig = TINY,
    *,
    data: DataConfig = DATA,
    ema: bool = False,
) -> Path:
    """Write last.pt for a detector of three classes; with `ema`, its moving average is another
    detector.
    """
    model = tiny_detector() if model is None else model
    average = Ema(model, 0.5) if ema else None
    if average is not None:
        for parameter in average.model.parameters():
            parameter.data.mul_(0.5)
    settings = to_saved(DetectionConfig(model=config, data=data))
    metadata = {
        "task": "detection",
        "config": settings,
        **network_metadata(model.backbone, CLASSES),
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Checkpoints(folder, metadata).save(("last.pt",), Progress(step=7), model, average, optimizer)
    return folder / "last.pt"
