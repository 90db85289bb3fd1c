"""What a data set with a class for every pixel says of itself."""

from pathlib import Path

from masks import write_classes, write_image, write_mask

from tasks.datasets.semantic.dataset import SemanticDataset, fingerprint
from tasks.datasets.semantic.layout import SemanticSource
from tasks.datasets.semantic.read import read_semantic


def data_set(root: Path, *classes: str, height: int = 2) -> SemanticDataset:
    write_image(root / "train/images/a.png", height=height)
    write_mask(root / "train/masks/a.png", [[0, 1, 0]] * height)
    write_classes(root / "classes.txt", *classes)
    return read_semantic(SemanticSource(root=root))


def test_a_data_set_that_moved_is_the_same_and_other_classes_or_sizes_are_not(
    tmp_path: Path,
) -> None:
    first = fingerprint(data_set(tmp_path / "first", "sky", "road"))
    assert fingerprint(data_set(tmp_path / "moved", "sky", "road")) == first
    assert fingerprint(data_set(tmp_path / "classes", "sky", "tree")) != first
    assert fingerprint(data_set(tmp_path / "sizes", "sky", "road", height=3)) != first


def test_its_contents_are_counted(tmp_path: Path) -> None:
    assert data_set(tmp_path, "sky", "road").contents == "1 images, 2 classes"
