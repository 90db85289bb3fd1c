"""What an evaluation of pixels keeps: the same however images are shared out, and as it is read."""

import math
from pathlib import Path

import numpy as np
import pytest
from labelled import ROAD, blocks, labels, scored

from resnet_backbones.errors import UserError
from tasks.labels import IGNORED, LabelMap
from tasks.scoring.pixels_file import PIXELS, read_results, write_results
from tasks.scoring.semantic_results import SemanticTally, merge


def test_images_scores_are_means_over_their_own_classes() -> None:
    tally = SemanticTally(4)
    tally.add(1, labels("0011"), labels("0012"))
    tally.add(2, labels("...."), labels("0123"))
    results = tally.results()
    assert results.image_scores()[0] == (1 + 1 / 2) / 2
    assert math.isnan(results.image_scores()[1])
    assert [image.image_id for image in results.worst] == [1]


def test_the_worst_images_are_kept_the_worst_first() -> None:
    tally = SemanticTally(2)
    for image in range(40):
        guess = np.zeros((1, 40), np.uint8)
        guess[0, : 7 * image % 40] = 1
        tally.add(image + 1, np.zeros((1, 40), np.uint8), guess)
    scores = [(40 - 7 * image % 40) / 40 for image in range(40)]
    expected = np.argsort(scores, kind="stable")[:12] + 1
    assert [image.image_id for image in tally.results().worst] == expected.tolist()


def test_of_equally_bad_images_the_first_are_kept() -> None:
    tally = SemanticTally(2)
    for image in range(20, 0, -1):
        tally.add(image, labels("00"), labels("01"))
    assert [image.image_id for image in tally.results().worst] == list(range(1, 13))


def test_two_ranks_give_the_results_of_one() -> None:
    whole = SemanticTally(4)
    ranks = [SemanticTally(4), SemanticTally(4), SemanticTally(4)]  # the last has no image
    for image in range(30):
        pair = blocks(image, 4)
        whole.add(image + 1, *pair)
        ranks[image % 2].add(image + 1, *pair)
    joined = merge([rank.results() for rank in ranks])
    alone = whole.results()
    np.testing.assert_array_equal(joined.image_ids, alone.image_ids)
    np.testing.assert_array_equal(joined.counts, alone.counts)
    np.testing.assert_array_equal(joined.confusion, alone.confusion)
    assert [(image.image_id, image.score) for image in joined.worst] == [
        (image.image_id, image.score) for image in alone.worst
    ]


def test_an_image_is_scored_once() -> None:
    tally = SemanticTally(2)
    tally.add(1, labels("00"), labels("01"))
    with pytest.raises(AssertionError, match="scored twice"):
        tally.add(1, labels("00"), labels("01"))
    with pytest.raises(AssertionError, match="by two ranks"):
        merge([tally.results(), tally.results()])


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    results = scored(20, ROAD)
    label_map = LabelMap(ROAD.category_ids, ROAD.names, ((1, 2, 3),) * 4)
    write_results(tmp_path, results, label_map, "a/{}.jpg".format, ["2 files left out"])
    read = read_results(tmp_path)
    assert read.label_map == label_map
    assert read.label_map.colours == label_map.colours
    assert read.notes == ("2 files left out",)
    assert (read.names[0], read.name(20)) == ("a/0.jpg", "a/19.jpg")
    np.testing.assert_array_equal(read.results.counts, results.counts)
    np.testing.assert_array_equal(read.results.confusion, results.confusion)
    assert len(read.results.worst) == 12
    for ours, expected in zip(read.results.worst, results.worst, strict=True):
        assert (ours.image_id, ours.score) == (expected.image_id, expected.score)
        np.testing.assert_array_equal(ours.truth, expected.truth)
        np.testing.assert_array_equal(ours.predicted, expected.predicted)
    assert [path.name for path in tmp_path.iterdir()] == [PIXELS]


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_results(tmp_path, scored(5, ROAD), ROAD, str).read_bytes()
    assert write_results(tmp_path, scored(5, ROAD), ROAD, str).read_bytes() == first


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"pixels\.npz is missing; score the model again"):
        read_results(tmp_path)


@pytest.mark.parametrize("cut", [0, 10, 2000])
def test_a_damaged_file_is_named(tmp_path: Path, cut: int) -> None:
    path = write_results(tmp_path, scored(20, ROAD), ROAD, str)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"pixels\.npz must be as `eval` wrote it"):
        read_results(tmp_path)


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = write_results(tmp_path, scored(3, ROAD), ROAD, str)
    with np.load(path) as content:
        arrays = dict(content)
    np.savez(path, **(arrays | {"counts": arrays["counts"][:2]}))
    with pytest.raises(UserError, match=r"damaged \(ValueError\)"):
        read_results(tmp_path)


def test_ignored_pixels_stay_in_the_kept_labels() -> None:
    (image, *_) = scored(1, ROAD).worst
    assert (image.truth[0] == IGNORED).all()
    assert (image.predicted < 4).all()
