#!/usr/bin/env python3
"""How strongly do the layers of trained plain and residual nets respond?  He et al. 2016, figure 7.

studies/responses.py --budget cpu --data cifar10

Reads the nets that studies/degradation.py has trained at that budget so far, in the same --out, and
takes seconds for each. Of every convolution after its norm and before the nonlinearity, for 128
training images: standard deviation, root mean square, and that of the gradient that reaches it from
a random direction of the last map; of every block, what it adds over what its shortcut brings.
"""

import argparse
import sys
from pathlib import Path

# studies/ is part of the repository and not installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import machine
from resnet_backbones.analysis.study import draw
from resnet_backbones.errors import UserError
from studies.common import run_study
from studies.residual.command import shared_parser
from studies.residual.layers import LayerRow, rows_of
from studies.residual.page import PAGE, write_page
from studies.residual.responding import Responding, find_nets, read_pixels, respond
from studies.residual.results import ORDER, RESPONSES, Conditions, Layers, Results
from studies.residual.sections import responses_section
from studies.residual.subsets import StudyImages

NETS_OF = "degradation"
NETWORKS = ("plain20", "plain56", "resnet20", "resnet56")
IMAGES = 128
TITLE = "Layer responses"
QUESTION = (
    "Are residual functions small, and do signals and gradients come through deep nets? Standard"
    " deviations of every convolution's output after its norm, before the nonlinearity."
)


def main(given: argparse.Namespace) -> None:
    """Measure, and write the rows, the picture and the page."""
    nets = find_nets(given.out / NETS_OF / given.budget, NETWORKS)
    if not nets:
        way_out = f"python studies/{NETS_OF}.py --budget {given.budget} --data {given.data}"
        rule = f"responses are of trained nets, got none in {given.out / NETS_OF / given.budget}"
        raise UserError(f"{rule}; train them with `{way_out}`")
    pixels = read_pixels(StudyImages(given.data, given.out / "images"), IMAGES)
    found = []
    for responding in respond(nets, pixels):
        print(f"{RESPONSES}: {responding.net.folder.name}", flush=True)
        found.append(responding)
    write_down(found, len(pixels), given)


def write_down(found: list[Responding], images: int, given: argparse.Namespace) -> None:
    """Write rows, the picture and the page."""
    rows: list[LayerRow] = []
    for each in found:
        net = each.net
        rows += rows_of(each.responses, RESPONSES, given.budget, net.network, net.seed)
    facts = {name: text for name, text in machine().items() if name != "command"}
    conditions = Conditions(
        schedule=f"those of the study {NETS_OF} at the budget {given.budget}, after training",
        command=f"python studies/{RESPONSES}.py --budget {given.budget} --data cifar10",
        images=images,
        networks={},
        machines={RESPONSES: facts},
    )
    results = Results(given.page / "results")
    results.write(Layers(RESPONSES, given.budget, rows, conditions))
    first = [each.responses for each in found if each.net.seed == found[0].net.seed]
    draw(first, results.file(RESPONSES, given.budget, ".png"))
    page = given.page / PAGE
    write_page(page, results, RESPONSES, responses_section(TITLE, QUESTION, results))
    print(f"written: {page}", flush=True)


if __name__ == "__main__":
    parser = shared_parser(__doc__, ORDER)
    run_study(lambda: main(parser.parse_args()))
