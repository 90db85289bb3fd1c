#!/usr/bin/env python3
"""Describe a backbone: levels, parameters, MACs and FLOPs, activations and memory by stage.

tools/describe.py resnet50
tools/describe.py vgg16 --size 512 --markdown
tools/describe.py timm:convnext_tiny --json
tools/describe.py resnet34 --option shortcut=C
"""

from tasks.cli.main import run_tool

if __name__ == "__main__":
    run_tool("describe", __doc__)
