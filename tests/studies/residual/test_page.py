"""The page: marks, the table of claims, and sections."""

import importlib
from pathlib import Path

import pytest
from toy_study import ROOT, finished, keep

from studies.degradation import STUDY
from studies.residual.claims import CLAIMS, ELSEWHERE
from studies.residual.page import claims_section, judge_claim, replace_section
from studies.residual.results import RESPONSES, Results
from studies.residual.sections import responses_section, study_section, value_table
from studies.residual.verdicts import NOT_RUN, NOT_SEEN, SEEN
from studies.responses import QUESTION, TITLE

TRAININGS = (
    *("degradation", "convergence", "depth", "shortcuts", "activation_orders", "vgg_columns"),
)
WRITTEN = "# By hand\n\n<!-- begin a -->\n\nold\n\n<!-- end a -->\n\nby hand too\n"


def test_a_section_is_replaced_and_the_rest_is_kept() -> None:
    expected = WRITTEN.replace("old", "new\nlines")
    assert replace_section(WRITTEN, "a", ["new", "lines"]) == expected


def test_a_section_that_is_not_there_comes_last() -> None:
    expected = f"{WRITTEN}\n<!-- begin b -->\n\nnew\n\n<!-- end b -->\n"
    assert replace_section(WRITTEN, "b", ["new"]) == expected


def test_the_longest_budget_with_all_networks_decides(tmp_path: Path) -> None:
    results = Results(tmp_path)
    worse = finished("plain56", 0, 30, 30) + finished("plain56", 1, 30, 30)
    better = finished("plain56", 0, 10, 10) + finished("plain56", 1, 10, 10)
    flat = finished("plain20", 0, 20, 20) + finished("plain20", 1, 20, 20)
    keep(results, worse + flat, budget="cpu")
    assert judge_claim(CLAIMS[0], results)[0] == "cpu"
    assert judge_claim(CLAIMS[0], results)[1].verdict == SEEN
    keep(results, better, budget="paper")  # plain20 is missing
    assert judge_claim(CLAIMS[0], results)[0] == "cpu"
    keep(results, better + flat, budget="gpu")
    assert judge_claim(CLAIMS[0], results)[0] == "gpu"
    assert judge_claim(CLAIMS[0], results)[1].verdict == NOT_SEEN


def test_every_claim_is_a_row_before_anything_was_run(tmp_path: Path) -> None:
    rows = [line for line in claims_section(Results(tmp_path)) if line.startswith("|")]
    assert len(rows[2:]) == len(CLAIMS) + len(ELSEWHERE)
    assert {row.split("|")[-2].strip() for row in rows[2:]} == {NOT_RUN}


def test_a_study_that_was_not_run_says_how_it_is(tmp_path: Path) -> None:
    section = study_section(STUDY, Results(tmp_path))
    assert section[0] == "## Degradation"
    assert "`python studies/degradation.py --budget cpu --data cifar10`" in section[-1]


def test_every_seed_is_told_with_mean_and_deviation() -> None:
    table = value_table("test error", "%", {"plain20": [10.0, 12.0], "resnet20": [8.0]})
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table[2:-1]]
    assert table[0] == "Test error, %:"
    assert [cells[0], *cells[2:]] == [
        ["network", "seed 0", "seed 1", "mean ± deviation"],
        ["plain20", "10.00", "12.00", "11.00 ± 1.41"],
        ["resnet20", "8.00", "", "8.00 ± n/a"],
    ]


def test_a_section_tells_images_seeds_and_settings(tmp_path: Path) -> None:
    keep(Results(tmp_path), finished("plain20", 0, 30, 30) + finished("plain20", 1, 40, 40))
    lines = study_section(STUDY, Results(tmp_path))
    assert "* seeds: 0, 1" in lines
    assert "* schedule: short" in lines
    assert any(line.startswith("* images: 6 to train on; on the way the same 6") for line in lines)


@pytest.mark.parametrize("name", [*TRAININGS, RESPONSES])
def test_the_shipped_page_has_the_section_that_the_shipped_results_make(name: str) -> None:
    results = Results(ROOT / "studies" / "results")
    if name == RESPONSES:
        section = responses_section(TITLE, QUESTION, results)
    else:
        section = study_section(importlib.import_module(f"studies.{name}").STUDY, results)
    text = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")
    assert replace_section(text, name, section) == text


def test_the_shipped_table_of_claims_is_what_the_shipped_results_make() -> None:
    text = (ROOT / "studies" / "README.md").read_text(encoding="utf-8")
    claims = claims_section(Results(ROOT / "studies" / "results"))
    assert replace_section(text, "claims", claims) == text
