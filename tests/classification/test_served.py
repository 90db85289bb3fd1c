"""A classifier's own answer to the page."""

from pathlib import Path

from served_page import served_run


def test_the_page_is_told_the_right_class(trained: Path, folders: Path) -> None:
    served, _ = served_run(trained)
    answer = served.answer((folders / "val" / "red" / "000.png").read_bytes())
    names = served.label_map.names
    assert names[answer["classes"][0]["label"]] == "red"
    assert sum(one["score"] for one in answer["classes"]) > 0.999
