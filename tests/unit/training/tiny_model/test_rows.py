import hashlib

import numpy as np

from pipeline import geometry, parse
from pipeline.verdict import BoundingBox, Verdict
from training.qwen import tokens
from training.synthetic.album import Page, Picture
from training.synthetic.scenes import Detail, Kind
from training.tiny_model import rows
from training.tiny_model.run_config import Mix


def test_answers_are_read_back_by_the_product_s_parser(pages: list[Page]) -> None:
    rng = np.random.default_rng(0)
    for page in pages:
        verdict, boxes, explanation = parse.parse_global_scan(rows.build_scan_example(page, rng).answer)
        assert verdict is page.label
        assert len(boxes) == len(page.details)
        assert explanation.startswith("The tone looks")
        row = rows.build_check_example(page, rng)
        verdict, explanation = parse.parse_local_check(row.answer)
        assert verdict is page.label
        assert explanation.count("Crop ") == len(row.query.images) - 1


def test_a_mirrored_view_keeps_its_details(pages: list[Page]) -> None:
    page = pages[5]
    view, details = rows.mirror_view(page, across=True, down=True)
    back = rows.mirror_view(
        Page(page.label, details, type(page.view)(view, page.view.window, None), page.crops, page.stray),
        across=True,
        down=True,
    )
    assert np.array_equal(back[0], page.view.pixels)
    assert back[1] == page.details
    assert np.array_equal(view, page.view.pixels[::-1, ::-1])
    ys = [detail.box.y1 for detail in details]
    assert ys == sorted(ys)


def test_boxes_are_told_on_the_grid(pages: list[Page]) -> None:
    _, numbers, _ = parse.parse_global_scan(rows.build_scan_example(pages[4], np.random.default_rng(1)).answer)
    for corners in numbers:
        assert all(number % tokens.GRID == 0 for number in corners)
        placed = geometry.clip(geometry.rescale(corners, from_size=(1000, 1000), to_size=(512, 512)), (512, 512))
        assert isinstance(placed, BoundingBox)


def test_a_step_follows_its_seed_and_its_mix(pages: list[Page]) -> None:
    mix = Mix(scans=3, checks=2)
    one, again = (rows.draw_step(pages, mix, np.random.default_rng([0, 2, 7])) for _ in range(2))
    assert [len(part) for part in one] == [3, 2]
    assert [row.answer for part in one for row in part] == [row.answer for part in again for row in part]


def test_crops_may_be_missing_turned_or_beside_every_detail(pages: list[Page]) -> None:
    rng = np.random.default_rng(0)
    answers = [rows.build_check_example(pages[i % len(pages)], rng).answer for i in range(300)]
    assert any("plain ground" in answer for answer in answers)
    assert any("No crop" in answer for answer in answers)
    turned = {rows.flip_randomly(pages[0].crops[0][0].pixels, rng).tobytes() for _ in range(60)}
    assert len(turned) == 8


def build_marked_page(details: int) -> Page:
    """Build a page whose pictures are told by their gray alone, so that no change of scenes changes it."""
    boxes = [BoundingBox(100 * n, 40, 100 * n + 80, 130) for n in range(details)]
    drawn = tuple(Detail(box, list(Kind)[n % len(Kind)], None) for n, box in enumerate(boxes))

    def mark(gray: int, detail: Detail | None) -> Picture:
        return Picture(np.full((28, 28, 3), gray, np.uint8), BoundingBox(0, 0, 28, 28), detail)

    crops = tuple(tuple(mark(10 * n + own, detail) for own in range(2)) for n, detail in enumerate(drawn))
    return Page(Verdict.REAL, drawn, mark(90, None), crops, mark(99, None))


def test_a_seed_draws_the_rows_that_it_drew_for_the_shipped_model() -> None:
    rng, digest = np.random.default_rng(7), hashlib.sha256()
    for page in [build_marked_page(details) for details in (1, 2, 3)] * 500:
        row = rows.build_check_example(page, rng)
        digest.update(row.answer.encode())
        for image in row.query.images:
            digest.update(image.sha256.encode())
    assert digest.hexdigest() == "9022776d3db3636c304a465ae5a53b8dca35370136757a392281e33340568726"
