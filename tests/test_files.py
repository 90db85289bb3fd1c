"""Files are there whole or not at all, and what cannot be written is told in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_disk import BLOCK, SmallDisk

from resnet_backbones.errors import UserError
from tasks.files import AtomicFile, check_writable, write_text


def test_a_library_whose_write_fails_is_told_by_the_reason(disk: SmallDisk) -> None:
    path = disk.folder / "last.pt"
    path.write_bytes(b"whole")
    disk.fill(16 * BLOCK)
    told = r"last\.pt .* got: No space left on device, \d+ kB free"
    with pytest.raises(UserError, match=told), AtomicFile(path) as file:
        torch.save(torch.zeros(1 << 16), file)  # which makes a RuntimeError of it
    assert path.read_bytes() == b"whole"
    assert [name.name for name in disk.folder.iterdir() if name.name != ".filler"] == ["last.pt"]


@pytest.mark.parametrize("left", [0, BLOCK, 5 * BLOCK, 9 * BLOCK])
def test_a_write_that_fails_at_any_byte_keeps_the_old_file(disk: SmallDisk, left: int) -> None:
    path = disk.folder / "pixels.npz"
    path.write_bytes(b"whole")
    disk.fill(left)
    with pytest.raises(UserError, match="No space left on device"), AtomicFile(path) as file:
        np.savez_compressed(file, noise=np.random.default_rng(0).random(5 * BLOCK // 4))
    assert path.read_bytes() == b"whole"


def test_an_error_of_the_writer_stays_its_own(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), AtomicFile(tmp_path / "a") as file:
        file.write(b"%d" % (1 // 0))
    assert list(tmp_path.iterdir()) == []


def test_half_a_character_is_written_as_an_escape(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", '["caf\udce9"]')
    assert (tmp_path / "a.json").read_bytes() == b'["caf\\udce9"]'


def test_a_place_is_tried_without_a_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"/file is a file$"):
        check_writable(tmp_path / "file" / "folder")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"/link is a broken link$"):
        check_writable(tmp_path / "link")


def test_a_disk_without_room_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"room for checkpoints, 1000000.0 GB, but .* are free"):
        check_writable(tmp_path, 10**15, "checkpoints")
