#!/usr/bin/env python3
"""Score a segmenter's checkpoint, or the weights of a whole network, on any data set; writes mIoU,
accuracy and a report.html.

tools/eval_seg.py runs/quickstart_seg
tools/eval_seg.py runs/semantic_fpn_r50_ade20k test.flip=true 'test.scales=[0.75,1.0,1.25]'
tools/eval_seg.py configs/deeplabv3_r50_voc.yaml data.root=VOC model.head.aspp_channels=256 \\
    model.weights=torchvision:deeplabv3_resnet50.COCO_WITH_VOC_LABELS_V1
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("eval", __doc__, task="segmentation")
