"""Class folders in a zip or tar, read in place, by any number of processes."""

import multiprocessing
import struct
import tarfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from class_pictures import (
    SORTED,
    TREE,
    holds_tree,
    names_of,
    picture,
    write_tar,
    write_tree,
    write_zip,
)

from resnet_backbones.errors import UserError
from tasks.datasets.class_images.class_images import read_class_images
from tasks.errors import DataError

ARCHIVES: list[tuple[str, Callable[..., Path]]] = [("a.zip", write_zip), ("a.tar", write_tar)]


@pytest.fixture(params=["zip", "tar"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write = write_zip if request.param == "zip" else write_tar
    return write(tmp_path / f"train.{request.param}")


def test_an_archive_is_read_as_its_folders_are(archive: Path) -> None:
    images = read_class_images(archive, "train")
    assert names_of(images) == [f"{archive.name}: {name}" for name in SORTED]
    assert holds_tree(images)
    assert isinstance(images.read(0), bytes)


def test_deflated_files_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", method=zipfile.ZIP_DEFLATED)
    assert holds_tree(read_class_images(path, "train"))


@pytest.mark.parametrize("top", ["train/", "data/train/", "./"])
@pytest.mark.parametrize(("file", "write"), ARCHIVES)
def test_folders_above_the_classes_are_skipped(
    tmp_path: Path, file: str, write: Callable[..., Path], top: str
) -> None:
    assert holds_tree(read_class_images(write(tmp_path / file, top=top), "train"))


def test_entries_of_folders_and_of_a_mac_are_no_classes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", top="train/")
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("train/", "train/cat/", "__MACOSX/train/cat/._1.png", "train/.DS_Store"):
            archive.writestr(name, b"")
    assert holds_tree(read_class_images(path, "train"))


def test_backslashes_are_slashes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [name.replace("/", "\\") for name in TREE])
    assert read_class_images(path, "train").label_map.names == ("cat", "cat-big", "dog")


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_of_long_names_and_folders(tmp_path: Path, format: int) -> None:
    name = "cät/" + "long" * 40 + "/1.png"
    write_tree(tmp_path / "train", [name, "dog/1.png"])
    with tarfile.open(tmp_path / "train.tar", "w", format=format) as archive:
        archive.add(tmp_path / "train", ".")
    images = read_class_images(tmp_path / "train.tar", "train")
    assert names_of(images) == [f"train.tar: {name}", "train.tar: dog/1.png"]
    assert images.read(0) == picture(name)


@pytest.mark.parametrize(("file", "write"), ARCHIVES)
@pytest.mark.parametrize("name", ["../cat/1.png", "cat/../../1.png", "/cat/1.png"])
def test_names_that_lead_out_are_refused(
    tmp_path: Path, file: str, write: Callable[..., Path], name: str
) -> None:
    path = write(tmp_path / file, ["dog/1.png", name])
    with pytest.raises(UserError, match=r"names in an archive must stay within it, got"):
        read_class_images(path, "train")


@pytest.mark.parametrize(("file", "write"), ARCHIVES)
def test_an_archive_without_class_folders_is_refused(
    tmp_path: Path, file: str, write: Callable[..., Path]
) -> None:
    path = write(tmp_path / file, ["1.png"])
    with pytest.raises(UserError, match=r"a folder for each class, got 1 images and no folder"):
        read_class_images(path, "train")


def test_an_empty_class_folder_of_an_archive_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", top="train/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/owl/", b"")
    with pytest.raises(UserError, match=r"every class folder must hold images, but owl in"):
        read_class_images(path, "train")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
def test_an_archive_that_is_cut_off_is_refused(archive: Path, kept: float) -> None:
    content = archive.read_bytes()
    used = len(content.rstrip(b"\0"))  # tarfile fills a tar up with zeros
    archive.write_bytes(content[: int(kept * used)])
    with pytest.raises(UserError, match=r"must be a whole (zip|tar) file"):
        read_class_images(archive, "train")


def test_a_tar_that_ends_after_a_file_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar")
    with tarfile.open(path) as archive:
        end = archive.getmembers()[3].offset
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(UserError, match=r"must be a whole tar file, got: it ends within"):
        read_class_images(path, "train")


def test_a_tar_with_a_damaged_header_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar")
    with tarfile.open(path) as archive:
        start = archive.getmembers()[3].offset
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b"?" * 20
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"must be a whole tar file"):
        read_class_images(path, "train")


def test_a_tar_with_zeros_over_a_header_is_refused(tmp_path: Path) -> None:
    """They look like its end, and all that follows would be left out without a word."""
    path = write_tar(tmp_path / "a.tar")
    with tarfile.open(path) as archive:
        start = archive.getmembers()[3].offset
    content = bytearray(path.read_bytes())
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"must be a whole tar file, got: it ends within, or is"):
        read_class_images(path, "train")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_refused_with_the_way_out(tmp_path: Path, mode: str) -> None:
    path = write_tar(tmp_path / f"train.tar.{mode[2:]}", mode=mode)
    with pytest.raises(UserError, match=r"is compressed; unpack it, or repack it without"):
        read_class_images(path, "train")


def test_an_image_that_is_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar")
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("cat/3.png")
        link.type = tarfile.SYMTYPE
        link.linkname = "2.png"
        archive.addfile(link)
    with pytest.raises(UserError, match=r"cat/3.png in .* is a link"):
        read_class_images(path, "train")


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")  # of the list at the end, whose flags follow 8 bytes later
    content[entry + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"must not have a password, but dog/b.jpg in"):
        read_class_images(path, "train")


def test_a_zip_with_another_compression_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", method=zipfile.ZIP_LZMA)
    with pytest.raises(UserError, match=r"must be stored or deflated"):
        read_class_images(path, "train")


def test_a_zip_whose_files_begin_before_it_does_is_refused(tmp_path: Path) -> None:
    """Found by the campaign: the end record says where the directory is, which bytes can move."""
    path = write_zip(tmp_path / "a.zip", ["cat/1.png"])
    content = bytearray(path.read_bytes())
    end = content.rfind(b"PK\x05\x06")
    (directory,) = struct.unpack_from("<I", content, end + 16)
    struct.pack_into("<I", content, end + 16, directory + 5)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip must be a whole zip file, but does not hold all"):
        read_class_images(path, "train")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("place", [0, 39, 100])  # the header, the beginning of the image, within it
def test_an_image_that_is_damaged_in_a_zip_is_named(
    tmp_path: Path, method: int, place: int
) -> None:
    path = write_zip(tmp_path / "a.zip", ["cat/1.png"], method=method)
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    images = read_class_images(path, "train")
    with pytest.raises(DataError, match=r"a\.zip: cat/1\.png is damaged in the zip"):
        images.read(0)


def test_a_name_that_is_damaged_in_a_zips_directory_is_noticed(tmp_path: Path) -> None:
    """Found by the campaign: the directory's names order the images, and have no checksum."""
    path = write_zip(tmp_path / "a.zip", ["cat/1.png"])
    content = bytearray(path.read_bytes())
    content[content.rindex(b"cat/1.png") + 4] ^= 2
    path.write_bytes(content)
    images = read_class_images(path, "train")
    with pytest.raises(DataError, match=r"a\.zip: cat/3\.png is damaged in the zip"):
        images.read(0)


@pytest.mark.parametrize("name", ["cat/größe.png", "cat/a\\b.png"])
def test_names_are_compared_as_they_are_read(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "a.zip", [name])
    images = read_class_images(path, "train")
    assert isinstance(images.read(0), bytes)


def test_an_archive_that_changes_after_it_was_listed_is_refused(archive: Path) -> None:
    images = read_class_images(archive, "train")
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(DataError, match=r"must not change while it is in use"):
        images.read(0)


def test_an_archive_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for names in (["cat/1.png"], ["cat/a/22.png"]):
        images = read_class_images(write_zip(path, names), "train")
        assert images.read(0) == picture(names[0])


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_two_processes_read_one_archive_at_once(archive: Path, start: str) -> None:
    images = read_class_images(archive, "train")
    places = [*range(len(images))] * 20
    wanted = [images.read(place) for place in places]  # so that it is open in this process too
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(max_workers=2, mp_context=context) as pool:
        assert list(pool.map(images.read, places)) == wanted


def test_threads_read_one_archive_at_once(archive: Path) -> None:
    images = read_class_images(archive, "train")
    places = [*range(len(images))] * 100
    with ThreadPoolExecutor(max_workers=8) as pool:
        read = list(pool.map(images.read, places))
    assert read == [picture(name) for name in SORTED] * 100
