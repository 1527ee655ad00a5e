import ast
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline import geometry
from pipeline.geometry import MIN_VIEW_PIXELS, Size
from pipeline.verdict import BoundingBox

sides = st.integers(1, 6000)
sizes = st.tuples(sides, sides)
budgets = st.integers(MIN_VIEW_PIXELS, 2_000_000)


@st.composite
def boxes(draw: st.DrawFn, limit: int = 500) -> BoundingBox:
    x1, y1 = draw(st.integers(0, limit - 1)), draw(st.integers(0, limit - 1))
    return BoundingBox(x1, y1, draw(st.integers(x1 + 1, limit)), draw(st.integers(y1 + 1, limit)))


def list_pixels(box: BoundingBox) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box.x1, box.x2) for y in range(box.y1, box.y2)}


@given(a=boxes(limit=12), b=boxes(limit=12))
def test_iou_counts_shared_pixels(a: BoundingBox, b: BoundingBox) -> None:
    assert geometry.iou(a, b) == pytest.approx(
        len(list_pixels(a) & list_pixels(b)) / len(list_pixels(a) | list_pixels(b))
    )


@given(a=boxes(), b=boxes())
def test_iou_is_symmetric_and_one_only_for_itself(a: BoundingBox, b: BoundingBox) -> None:
    assert geometry.iou(a, b) == geometry.iou(b, a)
    assert 0 <= geometry.iou(a, b) <= 1
    assert (geometry.iou(a, b) == 1) == (a == b)


@given(box=boxes(), a=sizes, b=sizes)
def test_rescale_goes_there_and_back(box: BoundingBox, a: Size, b: Size) -> None:
    there = geometry.rescale(box.corners, from_size=a, to_size=b)
    assert geometry.rescale(there, from_size=b, to_size=a) == pytest.approx(box.corners)


def test_rescale_keeps_each_axis_apart() -> None:
    assert geometry.rescale((10, 10, 20, 20), from_size=(100, 50), to_size=(1000, 100)) == (100, 20, 200, 40)


@given(corners=st.tuples(*[st.floats(-1e6, 1e6)] * 4), size=sizes)
def test_clip_stays_inside(corners: geometry.Corners, size: Size) -> None:
    box = geometry.clip(corners, size)
    assert box is None or (box.x2 <= size[0] and box.y2 <= size[1])


@pytest.mark.parametrize(
    ("corners", "clipped"),
    [
        ((10.4, 10.6, 20.4, 20.6), (10, 11, 20, 21)),
        ((-5, -5, 5, 5), (0, 0, 5, 5)),
        ((90, 40, 200, 200), (90, 40, 100, 50)),
        ((0, 0, 100, 50), (0, 0, 100, 50)),
        ((100, 0, 120, 50), None),
        ((20, 20, 10, 30), None),
        ((10, 10, 10, 30), None),
        ((10.1, 0, 10.4, 9), None),
    ],
)
def test_clip(corners: geometry.Corners, clipped: tuple[int, ...] | None) -> None:
    box = geometry.clip(corners, (100, 50))
    assert (box and box.corners) == clipped


@given(regions=st.lists(boxes(), max_size=8), size=st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_zoomable_regions_are_inside_distinct_and_in_order(regions: list[BoundingBox], size: Size) -> None:
    chosen = geometry.choose_zoomable(regions, size, 3)
    assert len(chosen) <= 3
    assert all(box.x2 <= size[0] and box.y2 <= size[1] for box in chosen)
    assert all(geometry.iou(a, b) < 0.9 for i, a in enumerate(chosen) for b in chosen[:i])
    clipped = [geometry.clip(region.corners, size) for region in regions]
    places = [clipped.index(box) for box in chosen]
    assert places == sorted(places)


def test_zoomable_takes_the_first_of_repeats_and_then_counts() -> None:
    first, same, second, third = (
        BoundingBox(0, 0, 100, 100),
        BoundingBox(0, 0, 100, 95),
        BoundingBox(50, 0, 150, 100),
        BoundingBox(0, 50, 9, 99),
    )
    assert geometry.choose_zoomable([first, same, second, third], (200, 200), 2) == [first, second]
    assert geometry.choose_zoomable([BoundingBox(300, 0, 310, 5)], (200, 200), 2) == []


@given(box=boxes(), size=st.tuples(st.integers(500, 900), st.integers(500, 900)))
def test_crop_window_holds_its_box_and_stays_inside(box: BoundingBox, size: Size) -> None:
    window = geometry.find_crop_window(box, size)
    assert window.x1 <= box.x1 < box.x2 <= window.x2 <= size[0]
    assert window.y1 <= box.y1 < box.y2 <= window.y2 <= size[1]
    assert min(window.width_px, window.height_px) >= 28
    assert window.width_px >= min(size[0], math.ceil(box.width_px * 1.1 - 1e-9))


@pytest.mark.parametrize(
    ("box", "size", "window"),
    [
        ((100, 100, 200, 200), (400, 300), (95, 95, 205, 205)),
        ((0, 0, 100, 100), (400, 300), (0, 0, 110, 110)),
        ((390, 290, 400, 300), (400, 300), (372, 272, 400, 300)),
        ((0, 0, 20, 10), (20, 10), (0, 0, 20, 10)),
        ((50, 50, 51, 51), (400, 300), (36, 36, 64, 64)),
    ],
)
def test_crop_window(box: tuple[int, int, int, int], size: Size, window: tuple[int, ...]) -> None:
    assert geometry.find_crop_window(BoundingBox(*box), size).corners == window


def load_smart_resize() -> Callable[..., Size]:
    """Load the processor's own function from its source: importing transformers takes half a minute."""
    spec = importlib.util.find_spec("transformers")
    assert spec
    assert spec.origin
    source = Path(spec.origin).parent / "models/qwen2_vl/image_processing_qwen2_vl.py"
    tree = ast.parse(source.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "smart_resize"]
    names: dict[str, Callable[..., Size]] = {}
    exec(compile(tree, source, "exec"), {"math": math}, names)  # noqa: S102 - a function of an installed package
    return names["smart_resize"]


SMART_RESIZE = load_smart_resize()


@given(size=sizes, max_pixels=budgets, enlarge=st.booleans())
@example(size=(1, 142), max_pixels=250_488, enlarge=True)
def test_a_fitted_view_is_in_budget_and_never_resized_again(size: Size, max_pixels: int, enlarge: bool) -> None:
    width, height = geometry.fit(size, max_pixels, enlarge=enlarge)
    assert MIN_VIEW_PIXELS <= width * height <= max_pixels
    assert SMART_RESIZE(height, width, min_pixels=MIN_VIEW_PIXELS, max_pixels=max_pixels) == (height, width)


@given(size=sizes, max_pixels=st.integers(200_000, 2_000_000), enlarge=st.booleans())
def test_a_fitted_view_keeps_its_shape(size: Size, max_pixels: int, enlarge: bool) -> None:
    assume(1 / 8 < size[0] / size[1] < 8)
    assume(min(size) >= 280 or enlarge)
    width, height = geometry.fit(size, max_pixels, enlarge=enlarge)
    assert abs(math.log(width / height * size[1] / size[0])) < 0.3


@given(size=sizes, max_pixels=budgets)
def test_a_fitted_view_fits_again_as_it_is(size: Size, max_pixels: int) -> None:
    fitted = geometry.fit(size, max_pixels)
    assert geometry.fit(fitted, max_pixels) == fitted


@pytest.mark.parametrize(
    ("size", "enlarge", "fitted"),
    [
        ((512, 512), False, (504, 504)),
        ((100, 100), False, (112, 112)),
        ((100, 100), True, (504, 504)),
        ((4000, 3000), False, (588, 420)),
        ((1, 1), False, (56, 56)),
        ((100_000, 1), False, (4200, 28)),
    ],
)
def test_fit(size: Size, enlarge: bool, fitted: Size) -> None:
    assert geometry.fit(size, 512 * 512, enlarge=enlarge) == fitted
