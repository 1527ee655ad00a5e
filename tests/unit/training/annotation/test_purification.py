import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import geometry
from pipeline.verdict import BoundingBox
from training.annotation import purification
from training.annotation.purification import Fate, Region

SIZE = (512, 512)


@pytest.mark.parametrize(
    ("corners", "box", "fate"),
    [
        ((10, 20, 110, 220), BoundingBox(10, 20, 110, 220), None),
        ((110, 20, 10, 220), None, Fate.INVERTED),
        ((10, 20, 10, 220), None, Fate.INVERTED),
        ((10.1, 20, 10.2, 220), None, Fate.INVERTED),
        ((600, 20, 700, 220), None, Fate.OUTSIDE),
        ((-90, -90, -10, -10), None, Fate.OUTSIDE),
        ((-90, 20, 110, 220), BoundingBox(0, 20, 110, 220), Fate.CLIPPED),
        ((0, 0, 512, 256), BoundingBox(0, 0, 512, 256), None),
        ((0, 0, 512, 257), None, Fate.OVER_HALF),
        ((-900, -900, 900, 900), None, Fate.OVER_HALF),
    ],
)
def test_each_box_has_its_fate(corners: geometry.Corners, box: BoundingBox | None, fate: Fate | None) -> None:
    kept, fates = purification.drop_by_geometry([(corners, "a cup")], SIZE)
    assert kept == ([Region(box, "a cup")] if box else [])
    assert dict(fates) == ({fate: 1} if fate else {})


def test_repeats_are_merged_into_the_first() -> None:
    named = [((10, 20, 110, 220), "a cup"), ((11, 20, 110, 220), "the cup"), ((10, 20, 60, 220), "its ear")]
    kept, fates = purification.drop_by_geometry([((float(a), b, c, d), shown) for (a, b, c, d), shown in named], SIZE)
    assert [region.description for region in kept] == ["a cup", "its ear"]
    assert dict(fates) == {Fate.REPEATED: 1}


coordinates = st.floats(-2000, 2000)


@given(st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=12))
def test_every_box_is_kept_or_counted(drawn: list[geometry.Corners]) -> None:
    kept, fates = purification.drop_by_geometry([(corners, "") for corners in drawn], SIZE)
    gone = sum(n for fate, n in fates.items() if fate is not Fate.CLIPPED)
    assert len(kept) + gone == len(drawn)
    assert all(region.box.area_px <= 512 * 256 for region in kept)
    assert all(region.box.x2 <= 512 and region.box.y2 <= 512 for region in kept)
