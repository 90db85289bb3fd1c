"""Claims about depth: degradation, convergence, and signals."""

from __future__ import annotations

from functools import partial

from studies.residual.verdicts import Claim

RESNET = "He et al. 2016, Deep Residual Learning"
TEST = "test error"
TRAINING = "training error"

_degradation = partial(Claim, study="degradation")
_fast = partial(
    Claim,
    source=f"{RESNET}, section 4.1 and fig. 4",
    published="curves of 18 layers on ImageNet",
    measure="early training error",
)
_depth = partial(Claim, source=f"{RESNET}, table 6", study="depth", measure=TEST)
_response = partial(Claim, study="responses")

DEGRADATION = (
    _degradation(
        text="Degradation: a plain net of 56 layers has a higher training error than one of 20",
        source=f"{RESNET}, fig. 1 and 6 left",
        published="curves only",
        measure=TRAINING,
        larger="plain56",
        smaller="plain20",
    ),
    _degradation(
        text="… and a higher test error",
        source=f"{RESNET}, fig. 1 and 6 left",
        published="curves only; fish145/ResNet-on-Cifar10 has 14.74 and 9.90 %",
        measure=TEST,
        larger="plain56",
        smaller="plain20",
    ),
    _degradation(
        text="Shortcuts end it: the training error of ResNet-56 is at most a point above that of"
        " ResNet-20",
        source=f"{RESNET}, fig. 6 middle",
        published="curves only; it is below",
        measure=TRAINING,
        larger="resnet20",
        smaller="resnet56",
        margin=-1.0,
    ),
    _degradation(
        text="At 56 layers the residual net has a lower training error than the plain one",
        source=f"{RESNET}, fig. 6",
        published="curves only",
        measure=TRAINING,
        larger="plain56",
        smaller="resnet56",
    ),
    _degradation(
        text="The deeper residual net has the lower test error",
        source=f"{RESNET}, table 6",
        published="20 layers 8.75 %, 56 layers 6.97 %",
        measure=TEST,
        larger="resnet20",
        smaller="resnet56",
    ),
)
CONVERGENCE = (
    _fast(
        text="Residual nets converge faster early: after a quarter of the training, 20 layers",
        study="convergence",
        larger="plain20",
        smaller="resnet20",
    ),
    _fast(text="… 32 layers", study="convergence", larger="plain32", smaller="resnet32"),
    _fast(text="… 56 layers", study="degradation", larger="plain56", smaller="resnet56"),
    _degradation(
        text="Deep plain nets converge slowly, it is conjectured at rates that are exponentially"
        " low in depth: 56 layers take longer than 20 to a training error of 50 %",
        source=f"{RESNET}, section 4.1",
        published="a conjecture",
        measure="time to 50 % training error",
        larger="plain56",
        smaller="plain20",
    ),
)
DEPTH = (
    _depth(
        text="Depth helps residual nets: 32 layers have a lower test error than 20",
        published="8.75 % and 7.51 %",
        larger="resnet20",
        smaller="resnet32",
    ),
    _depth(
        text="… 44 layers than 32",
        published="7.51 % and 7.17 %",
        larger="resnet32",
        smaller="resnet44",
    ),
    _depth(
        text="… 56 layers than 44",
        published="7.17 % and 6.97 %",
        larger="resnet44",
        smaller="resnet56",
    ),
    _depth(
        text="… 56 layers than 20",
        published="8.75 % and 6.97 %",
        larger="resnet20",
        smaller="resnet56",
    ),
    _depth(
        text="… 110 layers than 56",
        published="6.97 % and 6.43 %, the best of five (6.61 ± 0.16 %)",
        larger="resnet56",
        smaller="resnet110",
    ),
)
SIGNALS = (
    _response(
        text="Residual functions are small: layers of ResNet-20 respond less than those of"
        " plain-20",
        source=f"{RESNET}, fig. 7",
        published="curves only",
        measure="mean response",
        larger="plain20",
        smaller="resnet20",
    ),
    _response(
        text="… layers of ResNet-56 less than those of plain-56",
        source=f"{RESNET}, fig. 7",
        published="curves only",
        measure="mean response",
        larger="plain56",
        smaller="resnet56",
    ),
    _response(
        text="The deeper the residual net, the smaller its responses: 56 layers and 20",
        source=f"{RESNET}, fig. 7",
        published="curves only",
        measure="mean response",
        larger="resnet20",
        smaller="resnet56",
    ),
    _response(
        text="A block of ResNet-56 adds less than its shortcut brings: the ratio is below 1",
        source=f"{RESNET}, section 4.2",
        published="a motivation; not measured so",
        measure="residual over identity",
        larger=None,
        smaller="resnet56",
        margin=-1.0,
    ),
    _response(
        text="Signals do not vanish forward with batch norm: in plain-56 the weakest layer's"
        " response is more than 1 % of the strongest's",
        source=f"{RESNET}, section 4.1",
        published="in words: variances are not zero",
        measure="weakest response over the strongest",
        larger="plain56",
        smaller=None,
        margin=1.0,
    ),
    _response(
        text="Nor do gradients backward: in plain-56 the first layer gets more than 1 % of what"
        " the last one gets",
        source=f"{RESNET}, section 4.1",
        published="in words: norms are healthy",
        measure="gradient of the first layer over the last's",
        larger="plain56",
        smaller=None,
        margin=1.0,
    ),
)
