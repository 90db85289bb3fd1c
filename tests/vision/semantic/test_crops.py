"""Where crops lie, before any image is read."""

from dataclasses import replace

from tasks.vision.placement import Crop, ImagePlan, Placement
from tasks.vision.semantic.crops import PLACES, crop_at, other_places


def test_a_crop_lies_anywhere_in_the_image() -> None:
    assert crop_at((10, 20), 4, 0.0, 0.0) == Crop(0, 0, (4, 4))
    assert crop_at((10, 20), 4, 0.5, 0.999) == Crop(3, 16, (4, 4))


def test_a_crop_reaches_past_a_smaller_image() -> None:
    assert crop_at((3, 20), 4, 0.999, 0.5) == Crop(0, 8, (4, 4))
    assert Placement((3, 20), crop_at((3, 20), 4, 0.999, 0.5)).final_size == (3, 4)


def test_other_places_change_the_place_alone() -> None:
    own = Placement((500, 700), Crop(3, 5, (32, 32)), flip=True)
    places = list(other_places(ImagePlan(0, key=7, placement=own)))
    assert places[0] == own
    assert len(set(places)) == len(places) == PLACES
    assert {replace(place, crop=None) for place in places} == {replace(own, crop=None)}
    for place in places:
        assert place.final_size == (32, 32)
