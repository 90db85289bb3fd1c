"""The decoder: every kind of file to the same RGB bytes, and errors that name the file."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_backbones.errors import UserError
from tasks.errors import DataError
from tasks.images import decode, find_images, image_size

# 2 high, 3 wide, every pixel another colour
PIXELS = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


def smooth(height: int, width: int) -> np.ndarray:
    """A picture that survives JPEG: bright on the left, red growing downwards."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack(
        [60 + 120 * y / height, 200 - 150 * x / width, np.full_like(x, 90)], axis=2
    ).astype(np.uint8)


def test_png_is_decoded_to_its_very_pixels(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), PIXELS)


def test_bytes_pil_images_and_arrays_decode_alike() -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    for source in (stream.getvalue(), Image.fromarray(PIXELS), PIXELS):
        assert np.array_equal(decode(source), PIXELS)


def test_decoded_pixels_are_writable_and_contiguous_copies() -> None:
    for source in (PIXELS, PIXELS[:, :, 0], PIXELS[:, ::-1], Image.fromarray(PIXELS)):
        decoded = decode(source)
        assert decoded.flags.writeable
        assert decoded.flags.c_contiguous
        assert not np.shares_memory(decoded, PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_shows_the_picture_upright(tmp_path: Path, orientation: int) -> None:
    upright = smooth(48, 80)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[
        orientation
    ]  # PIL operations; 6 and 8 are each other's
    stored = (
        Image.fromarray(upright)
        if undo is None
        else Image.fromarray(upright).transpose(Image.Transpose(undo))
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert np.abs(decode(tmp_path / "a.jpg").astype(int) - upright).max() < 12
    assert image_size(tmp_path / "a.jpg") == (48, 80)
    assert image_size(tmp_path / "a.jpg", "ignore") == (stored.height, stored.width)
    assert decode(tmp_path / "a.jpg", "ignore").shape[:2] == (stored.height, stored.width)


def test_gray_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[:, :, 0]).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), PIXELS[:, :, :1].repeat(3, axis=2))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    alpha = np.array([[0, 128, 255], [1, 2, 3]], dtype=np.uint8)[..., None]
    Image.fromarray(np.concatenate([PIXELS, alpha], axis=2)).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), PIXELS)


@pytest.mark.filterwarnings("error")
def test_palette_with_transparency_becomes_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS).quantize(6)
    image.save(tmp_path / "a.png", transparency=bytes([0, 255, 255, 255, 255, 255]))
    assert np.array_equal(decode(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    upright = smooth(48, 80)
    Image.fromarray(upright).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert np.abs(decode(tmp_path / "a.jpg").astype(int) - upright).max() < 12


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bits_are_divided_by_257(tmp_path: Path, name: str) -> None:
    values = np.array([[0, 257, 65535], [128 * 257, 100, 200]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / name)
    assert decode(tmp_path / name)[:, :, 0].tolist() == [[0, 1, 255], [128, 0, 1]]
    assert decode(tmp_path / name).shape == (2, 3, 3)


def test_rotated_16_bit_file_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(np.array([[257, 514, 771]], dtype=np.uint16)).save(
        tmp_path / "a.png", exif=exif
    )
    assert decode(tmp_path / "a.png")[:, :, 0].tolist() == [[1], [2], [3]]


def test_bilevel_becomes_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png")[0, :, 1].tolist() == [255, 0]


def test_floating_point_is_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: floating-point"):
        decode(tmp_path / "a.tif")


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    Image.fromarray(smooth(48, 80)).save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"(?i)a\.jpg: .*truncated"):
        decode(tmp_path / "a.jpg")


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"<html>not found</html>")
    for read in (decode, image_size):
        with pytest.raises(UserError, match=r"a\.jpg: not an image"):
            read(tmp_path / "a.jpg")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"b\.jpg does not exist"):
        decode(tmp_path / "b.jpg")


def test_a_damaged_exif_block_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(smooth(48, 80)).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00broken")
    assert decode(tmp_path / "a.jpg").shape == (48, 80, 3)


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2, 3)), np.zeros((2, 2, 2), np.uint8), np.zeros((2,), np.uint8)]
)
def test_an_array_that_is_no_image_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(UserError, match="must be uint8 or uint16 of shape"):
        decode(wrong)


def test_find_images_lists_images_of_all_subfolders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.JPG", "sub/a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert find_images(tmp_path) == [tmp_path / "b.JPG", tmp_path / "sub" / "a.png"]
    assert find_images(tmp_path / "b.JPG") == [tmp_path / "b.JPG"]


def test_find_images_refuses_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no file ending in"):
        find_images(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        find_images(tmp_path / "nowhere")


def test_an_image_is_not_to_blame_where_a_process_has_too_many_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DataError would have classifiers go on without the image (fault_campaign 22)."""

    def refuse(*given: object) -> None:
        raise OSError(24, "Too many open files", "a.png")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(UserError, match="ulimit -n") as caught:
        decode(tmp_path / "a.png")
    assert not isinstance(caught.value, DataError)


def test_find_images_does_not_look_through_a_whole_disk() -> None:
    """Found by the campaign: `train: /` in a data.yaml."""
    with pytest.raises(UserError, match="but / is the whole disk; correct the path"):
        find_images("/")


def test_find_images_knows_what_pil_opens_and_leaves_hidden_files_out(tmp_path: Path) -> None:
    """field_faults 4 and 13."""
    names = ("a.jfif", "b.PNG", "c.webp", ".hidden.png", "._a.jfif", ".ipynb_checkpoints/a.png")
    for name in (*names, "__MACOSX/a.png", "Thumbs.db", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "d.png")
    assert [file.name for file in find_images(tmp_path)] == ["a.jfif", "b.PNG", "c.webp"]


@pytest.mark.parametrize("read", [decode, image_size])
def test_a_pipe_is_refused_at_once(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """fault_campaign 17: its end would be waited for."""
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: not a file, but a folder, a pipe or a device"):
        read(tmp_path / "a.png")
