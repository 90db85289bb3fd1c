"""The claims, as the notes and the studies have them."""

import importlib

import pytest

from studies.residual.claims import CLAIMS, ELSEWHERE
from studies.residual.layers import LAYER_MEASURES
from studies.residual.measures import MEASURES
from studies.residual.results import RESPONSES
from studies.residual.verdicts import Claim

NOTES = {
    "degradation": "a plain net of 56 layers has a higher training error than one of 20",
    "degradation in the test error": "and a higher test error",
    "shortcuts end degradation": "Shortcuts end it",
    "degradation on ImageNet": "plain-34 is worse than plain-18",
    "identity is enough": "Identity is enough",
    "projections are slightly better": "(C) are slightly better than B",
    "projections are dearer": "more multiply-adds",
    "depth helps residual nets": "Depth helps residual nets",
    "110 layers": "110 layers than 56",
    "1202 layers": "1202 layers",
    "LRN did not help": "Local response normalisation does not help",
    "depth helped VGG": "B has a lower test error than A",
    "1x1 against 3x3": "D has a lower one than C",
    "faster convergence early": "Residual nets converge faster early",
    "exponentially low rates": "exponentially low",
    "residual functions are small": "Residual functions are small",
    "forward signals with batch norm": "do not vanish forward",
    "backward gradients with batch norm": "gradients backward",
    "full pre-activation is best": "Full pre-activation (e) has a lower test error",
    "less so outside very deep nets": "outside very deep nets",
    "orders b to d": "norm after the addition (b)",
    "shortcuts that are not the identity": "What is not the identity",
    "28 % on COCO": "28 %",
}
"""The claims of the study notes, and words of their rows."""


@pytest.mark.parametrize("words", NOTES.values(), ids=NOTES.keys())
def test_every_claim_of_the_notes_has_its_row(words: str) -> None:
    texts = [*(claim.text for claim in CLAIMS), *(claim.text for claim in ELSEWHERE)]
    assert len([text for text in texts if words in text]) == 1


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_a_claim_is_of_what_its_study_measures(claim: Claim) -> None:
    module = importlib.import_module(f"studies.{claim.study}")
    if claim.study == RESPONSES:
        networks, measures = set(module.NETWORKS), set(LAYER_MEASURES)
    else:
        networks = set(module.STUDY.budgets["paper"].networks)
        measures = set(MEASURES)
    assert {claim.larger, claim.smaller} - {None} <= networks
    assert claim.measure in measures


def test_no_two_rows_say_the_same() -> None:
    seen = [(claim.study, claim.measure, claim.larger, claim.smaller) for claim in CLAIMS]
    assert len(set(seen)) == len(seen)
