from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.evidence.drawing import Rect
from pipeline.evidence.layout import CAPTION_PX, MARGIN_PX, WIDTH_PX, PanelLayout, arrange_panels

sides = st.integers(1, 6000)
sizes = st.tuples(sides, sides)


def lies_inside(inner: Rect, outer: Rect) -> bool:
    return outer[0] <= inner[0] < inner[2] <= outer[2] and outer[1] <= inner[1] < inner[3] <= outer[3]


def lie_apart(a: Rect, b: Rect) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def list_panels(layout: PanelLayout) -> list[Rect]:
    cells = [tile.cell for tile in layout.tiles]
    return [layout.image, *cells, *([layout.note] if layout.note else []), layout.scan, layout.check, layout.footer]


@given(image=sizes, crops=st.lists(sizes, max_size=8), answer_px=st.integers(130, 500))
def test_no_two_panels_overlap_and_all_lie_inside_the_margins(image, crops, answer_px):
    layout = arrange_panels(image, crops, answer_px=answer_px)
    page = (MARGIN_PX, 0, WIDTH_PX - MARGIN_PX, layout.size[1])
    assert all(lies_inside(panel, page) for panel in list_panels(layout))
    assert all(lie_apart(a, b) for a, b in combinations(list_panels(layout), 2))


@given(image=sizes, crops=st.lists(sizes, min_size=1, max_size=8))
def test_a_crop_stays_in_its_tile_below_its_caption(image, crops):
    layout = arrange_panels(image, crops, answer_px=150)
    assert len(layout.tiles) == len(crops)
    for tile in layout.tiles:
        assert lies_inside(tile.crop, tile.cell)
        assert tile.crop[1] - tile.cell[1] == CAPTION_PX


@given(image=sizes, crops=st.lists(sizes, max_size=8))
def test_a_card_stays_a_picture_that_fits_a_screen(image, crops):
    width, height = arrange_panels(image, crops, answer_px=200).size
    assert width == WIDTH_PX
    assert 400 <= height <= 1450


def test_shapes_are_kept():
    layout = arrange_panels((4000, 1000), [(300, 100)], answer_px=150)
    assert (layout.image[2] - layout.image[0]) / (layout.image[3] - layout.image[1]) == 4
    crop = layout.tiles[0].crop
    assert abs((crop[2] - crop[0]) / (crop[3] - crop[1]) - 3) < 0.02


def test_a_panorama_has_its_crops_below_and_a_square_beside():
    wide = arrange_panels((5000, 500), [(100, 100)], answer_px=150)
    square = arrange_panels((500, 500), [(100, 100)], answer_px=150)
    assert wide.tiles[0].cell[1] > wide.image[3]
    assert square.tiles[0].cell[0] > square.image[2]


def test_without_crops_a_note_takes_their_place():
    for image in [(500, 500), (5000, 500)]:
        layout = arrange_panels(image, [], answer_px=150)
        assert layout.tiles == ()
        assert layout.note is not None
