"""What the sources say of residual learning, claim by claim, as the studies measure it."""

from __future__ import annotations

from studies.residual.verdicts import Claim

RESNET = "He et al. 2016, Deep Residual Learning"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        text="Degradation: a plain net of 56 layers has a higher training error than one of 20",
        source=f"{RESNET}, fig. 1 and 6 left",
        published="curves only",
        study="degradation",
        measure="training error",
        larger="plain56",
        smaller="plain20",
    ),
    Claim(
        text="… and a higher test error",
        source=f"{RESNET}, fig. 1 and 6 left",
        published="curves only; fish145/ResNet-on-Cifar10 has 14.74 and 9.90 %",
        study="degradation",
        measure="test error",
        larger="plain56",
        smaller="plain20",
    ),
    Claim(
        text="Shortcuts end it: the training error of ResNet-56 is at most a point above that of"
        " ResNet-20",
        source=f"{RESNET}, fig. 6 middle",
        published="curves only; it is below",
        study="degradation",
        measure="training error",
        larger="resnet20",
        smaller="resnet56",
        margin=-1.0,
    ),
    Claim(
        text="At 56 layers the residual net has a lower training error than the plain one",
        source=f"{RESNET}, fig. 6",
        published="curves only",
        study="degradation",
        measure="training error",
        larger="plain56",
        smaller="resnet56",
    ),
    Claim(
        text="The deeper residual net has the lower test error",
        source=f"{RESNET}, table 6",
        published="20 layers 8.75 %, 56 layers 6.97 %",
        study="degradation",
        measure="test error",
        larger="resnet20",
        smaller="resnet56",
    ),
)
