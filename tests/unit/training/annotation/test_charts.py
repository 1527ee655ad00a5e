from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.evidence.card import VERDICT_COLOR
from pipeline.evidence.regions import REGION
from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.annotation import charts
from training.dataset import frame


def widths_px(chart: Image.Image, label: Verdict) -> list[int]:
    """Of the bars of this class, from top to bottom; the key's squares are narrower than 20."""
    own = (np.asarray(chart) == VERDICT_COLOR[label]).all(2).sum(1)
    return [int(own[y]) for y in range(1, len(own)) if own[y] > 20 and own[y - 1] <= 20]


def test_bars_are_as_long_as_counts_are_large() -> None:
    chart = charts.draw_bars("Boxes", {Verdict.REAL: {"1": 40, "2": 20}, Verdict.GENERATED: {"1": 0, "2": 40, "3": 10}})
    (full, half), (own_full, quarter) = widths_px(chart, Verdict.REAL), widths_px(chart, Verdict.GENERATED)
    assert abs(full / half - 2) < 0.05
    assert abs(own_full / quarter - 4) < 0.2
    assert abs(full - own_full) < 5


def test_nothing_to_count_is_a_chart_too() -> None:
    assert charts.draw_bars("Keywords", {label: {} for label in Verdict}).width == charts.WIDTH_PX


def test_a_gallery_shows_each_image_with_its_boxes(tmp_path: Path) -> None:
    shown = [build_image(n, boxes=[(100, 100, 400, 400)], explanation=n * "word ") for n in range(4)]
    for one in shown:
        (tmp_path / one.file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one.file).write_bytes(frame.encode_frame(Image.new("RGB", (512, 512), (10, 90, 200))))
    picture = charts.draw_gallery(tmp_path, "Real images", shown)
    pixels = np.asarray(picture)
    assert (pixels == (10, 90, 200)).all(2).sum() > 3 * charts.TILE_PX**2
    assert (pixels == REGION).all(2).sum() > 4 * 500
    assert charts.draw_gallery(tmp_path, "None", []).height < picture.height
