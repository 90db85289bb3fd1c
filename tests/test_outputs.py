"""Whose a file is, by the list in its folder."""

from pathlib import Path

import pytest

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile, write_text
from tasks.outputs import LIST, Outputs

OURS = Outputs(by="convert")


def stop_while_writing(file: Path) -> None:
    with OURS.owning(file), AtomicFile(file) as stream:
        stream.write(b"new")
        raise KeyboardInterrupt


def stop_after_writing(file: Path) -> None:
    with OURS.owning(file):
        write_text(file, "new")
        raise KeyboardInterrupt


def test_a_process_that_dies_while_it_writes_leaves_what_it_may_replace(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    with OURS.owning(file):
        write_text(file, "old")
    with pytest.raises(KeyboardInterrupt):
        stop_while_writing(file)
    assert file.read_text() == "old"
    OURS.claim(file)
    with pytest.raises(KeyboardInterrupt):
        stop_after_writing(file)
    assert file.read_text() == "new"
    OURS.claim(file)
    file.write_text("new, and mine")
    with pytest.raises(UserError, match="was not written by this command"):
        OURS.claim(file)


def test_a_damaged_line_makes_its_file_the_users_and_no_other(tmp_path: Path) -> None:
    names = [tmp_path / "a.json", tmp_path / "b.json"]
    with OURS.owning(*names):
        for file in names:
            write_text(file, file.name)
    lines = (tmp_path / LIST).read_bytes().splitlines(keepends=True)
    (tmp_path / LIST).write_bytes(b"\0" * 40 + b"\n" + lines[1] + lines[0][:20])
    OURS.claim(names[1])
    with pytest.raises(UserError, match=r"a\.json must be unused"):
        OURS.claim(names[0])


def test_a_failed_command_does_not_take_what_it_would_have_replaced(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    file.write_text("mine")
    forced = Outputs(by="convert", force=True)
    with pytest.raises(ZeroDivisionError), forced.owning(file):
        raise ZeroDivisionError
    with pytest.raises(UserError, match="must be unused"):
        OURS.claim(file)


def test_what_a_library_writes_by_itself_is_listed_too(tmp_path: Path) -> None:
    file = tmp_path / "responses.png"
    with OURS.owning(file):
        file.write_bytes(b"a picture")
    OURS.claim(file)


def test_only_files_of_the_kind_that_is_written_are_forced(tmp_path: Path) -> None:
    image = tmp_path / "a.jpg"
    image.write_bytes(b"a photo")
    forced = Outputs(by="check", force=True, endings=(".html",))
    with pytest.raises(UserError, match=r"choose another place$"):
        forced.claim(image)
