#!/usr/bin/env python3
"""Measure layer responses of networks (He et al. 2016, fig. 7), signal norms by depth and residual
over identity; writes tables and a PNG.

tools/analyze_responses.py resnet20=ours:resnet20.cifar10 resnet56=ours:resnet56.cifar10 --size 32
tools/analyze_responses.py resnet50=weights.safetensors --images IMAGES
tools/analyze_responses.py resnet50 vgg16_bn --images IMAGES --out runs/responses
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("responses", __doc__)
