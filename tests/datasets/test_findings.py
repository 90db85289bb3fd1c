"""A finding as a sentence, and several of them as one refusal."""

from dataclasses import replace
from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.datasets.findings import Finding, Fix, Severity, only_errors, refusal

FILE = Path("data/gt.json")


def finding(
    number: int, *, fix: Fix | None = None, file: Path = FILE, severity: Severity = "error"
) -> Finding:
    return Finding(
        kind="box outside",
        severity=severity,
        file=str(file),
        record=f"annotation {number}",
        rule=f"a box must be in its image, got {number}",
        way_out="correct it",
        fix=fix,
    )


def test_a_refusal_names_the_first_three_and_counts_all() -> None:
    error = refusal((finding(number) for number in range(5)), FILE)
    assert isinstance(error, UserError)
    assert str(error).splitlines() == [
        "data/gt.json: annotations and images must be free of errors, found 5:",
        "  annotation 0: a box must be in its image, got 0; correct it.",
        "  annotation 1: a box must be in its image, got 1; correct it.",
        "  annotation 2: a box must be in its image, got 2; correct it.",
        "  … and 2 more.",
        "`backbones check` lists every error",
    ]


@pytest.mark.parametrize(
    ("file", "record", "rule", "line"),
    [
        ("m/a.png", "a.png", "m/a.png is small", "m/a.png is small; correct it"),
        ("m/a.png", "a", "a mask must be there", "m/a.png: a mask must be there; correct it"),
        ("m/x/a.png", "x/a", "must be there", "m/x/a.png: must be there; correct it"),
        ("m/ba.png", "a", "must be there", "m/ba.png: a: must be there; correct it"),
        (
            "data/gt.json",
            "image 3",
            "must be there",
            "data/gt.json: image 3: must be there; correct it",
        ),
    ],
)
def test_a_line_names_a_file_once(file: str, record: str, rule: str, line: str) -> None:
    found = replace(finding(0), file=file, record=record, rule=rule)
    assert found.line() == line


def test_a_refusal_names_the_check_as_the_user_starts_it() -> None:
    error = refusal([finding(1)], FILE, "python tools/check_data.py")
    assert str(error).endswith("\n`python tools/check_data.py` lists every error")


def test_a_refusal_says_what_can_be_fixed() -> None:
    fix = Fix(remedy="drop")
    all_fixable = str(refusal([finding(1, fix=fix)], FILE))
    assert "found 1:" in all_fixable
    assert all_fixable.endswith("; with --fix OUT.json it writes a corrected file")
    half_fixable = str(refusal([finding(1, fix=fix), finding(2)], FILE))
    assert half_fixable.endswith("; with --fix OUT.json it writes a corrected file for 1 of them")


def test_a_refusal_names_other_files_than_the_one_that_is_read() -> None:
    lines = str(refusal([finding(1, file=Path("images/a.png"))], FILE)).splitlines()
    assert lines[1].startswith("  images/a.png: annotation 1: ")


def test_only_errors_are_refused() -> None:
    findings = [finding(1), finding(2, severity="warning")]
    assert only_errors(findings) == [findings[0]]
