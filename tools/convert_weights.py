#!/usr/bin/env python3
"""Rewrite a weights file in the names of another library; prints the largest difference of the
features at the end.

tools/convert_weights.py R-50.pkl r50.safetensors --to torchvision
tools/convert_weights.py r50.safetensors r50_rgb.pth --to mmdet --channel-order rgb
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("convert-weights", __doc__)
