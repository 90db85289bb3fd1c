#!/usr/bin/env python3
"""Train Faster R-CNN on COCO-style data, and score it.

tools/train_det.py configs/faster_rcnn_r101.yaml data.root=/path/to/coco
torchrun --nproc-per-node 8 tools/train_det.py configs/faster_rcnn_r101.yaml data.root=/path/to/coco
"""

import argparse

from resnet_backbones.errors import UserError
from tasks.detection.config import DetectionConfig
from tasks.engine.config import load_config
from tasks.engine.setting_help import describe


def main() -> None:
    """Read the settings, then train."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"settings, with their defaults:\n\n{describe(DetectionConfig())}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="settings file, such as configs/faster_rcnn_r101.yaml")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings that replace the file's"
    )
    arguments = parser.parse_args()
    try:
        config = load_config(DetectionConfig, arguments.config, arguments.overrides)
        from resnet_backbones.registry import check_name
        from tasks.detection.check_files import check_files

        check_name(config.model.backbone)
        check_files(config)
        from tasks.detection.train import (
            train,
        )  # once settings and paths are known to be right: it takes seconds

        train(config)
    except UserError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
