"""A data error: a sentence and its parts, which survive the way from another process."""

import pickle

from resnet_backbones.errors import UserError
from tasks.errors import DataError


def test_the_sentence_is_rule_record_and_way_out() -> None:
    error = DataError("iscrowd must be 0 or 1, got 7", "correct it", "annotation 3")
    assert str(error) == "iscrowd must be 0 or 1, got 7 in annotation 3; correct it"
    assert (error.rule, error.way_out) == ("iscrowd must be 0 or 1, got 7", "correct it")
    assert error.record == "annotation 3"
    assert isinstance(error, UserError)


def test_without_a_record_the_sentence_is_rule_and_way_out() -> None:
    assert str(DataError("it must be so", "change it")) == "it must be so; change it"


def test_it_can_be_made_again_from_its_text_and_pickled() -> None:
    """The former is what torch does with the errors of a loader's workers."""
    error = DataError("it must be so", "change it", "image 1")
    assert str(DataError(str(error))) == str(error)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert (copy.rule, copy.way_out) == (error.rule, error.way_out)
