"""What is given to predict becomes files."""

import io
from pathlib import Path

import pytest
from noise_data import picture
from PIL import Image
from shard_server import serving

from resnet_backbones.errors import UserError
from tasks.cli.inputs import check_words, gather, read_list


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """b.jpg, a.png, below/c.JPG, clip.mp4 and notes.txt."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "below/c.JPG"):
        Image.fromarray(picture(8, 8)).save(folder / name)
    (folder / "clip.mp4").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    return folder


def test_a_pattern_stands_for_images_and_videos_in_their_order(
    photos: Path, tmp_path: Path
) -> None:
    inputs = gather([f"{photos}/**"], tmp_path, private=False)
    names = [str(file.relative_to(photos)) for file in inputs.images]
    assert names == ["a.png", "b.jpg", "below/c.JPG"]
    assert [file.name for file in inputs.videos] == ["clip.mp4"]


def test_a_file_whose_name_is_a_pattern_is_that_file(photos: Path, tmp_path: Path) -> None:
    odd = photos / "a[1].png"
    odd.write_bytes((photos / "a.png").read_bytes())
    assert gather([str(odd)], tmp_path, private=False).images == (odd,)


def test_a_file_that_is_named_twice_is_taken_once(photos: Path, tmp_path: Path) -> None:
    words = [str(photos / "a.png"), f"{photos}/*.png"]
    assert gather(words, tmp_path, private=False).images == (photos / "a.png",)


@pytest.mark.parametrize(
    ("pattern", "seen"), [("*.gif", "nothing does"), ("*.txt", "1 other files do")]
)
def test_a_pattern_without_images_is_refused(photos: Path, pattern: str, seen: str) -> None:
    with pytest.raises(UserError, match=f"must match .*, but {seen}; correct the pattern"):
        check_words([f"{photos}/{pattern}"])


def test_what_an_address_holds_is_kept_beside_the_results(photos: Path, tmp_path: Path) -> None:
    with serving(photos) as server:
        inputs = gather([f"{server.url}/b.jpg"], tmp_path / "inputs", private=True)
    assert inputs.problems == ()
    (file,) = inputs.images
    assert file.parent == tmp_path / "inputs"
    assert file.read_bytes() == (photos / "b.jpg").read_bytes()


def test_an_address_that_fails_is_a_problem_and_no_error(tmp_path: Path) -> None:
    inputs = gather(["http://127.0.0.1:9/a.jpg"], tmp_path, private=False)
    assert inputs.images == ()
    assert len(inputs.problems) == 1


def test_lists_are_lines_without_the_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png\n\n b c.png \n")
    assert read_list(["first.png"], str(tmp_path / "list.txt")) == ["first.png", "a.png", "b c.png"]


def test_a_list_comes_through_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a.png\nb.png\n"))
    assert read_list([], "-") == ["a.png", "b.png"]


def test_no_input_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="got none; name one, or give --from-list"):
        read_list([], None)


def test_what_is_no_image_in_standard_input_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n")))
    with pytest.raises(UserError, match=r"standard input must be an image file.* --from-list -$"):
        gather(["-"], tmp_path, private=False)
