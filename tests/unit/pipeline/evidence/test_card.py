import pytest
from PIL import Image, ImageChops

from pipeline.evidence.card import VERDICT_COLOR, describe_outcome, draw_evidence_card, format_image_name
from pipeline.evidence.layout import WIDTH_PX
from pipeline.evidence.regions import REGION, map_to_card
from pipeline.verdict import BoundingBox, Verdict
from tests.support.verdicts import build_verdict

GROUND = (90, 110, 130)
MARK = (0, 0, 255)


def build_scene(size, marked=None):
    pixels = Image.new("RGB", size, GROUND)
    if marked:
        pixels.paste(MARK, marked)
    return pixels


def find_bounds(picture, color):
    """Return the bounding box of the pixels of exactly this colour, None if there are none."""
    apart = ImageChops.difference(picture, Image.new("RGB", picture.size, color)).convert("L", (1, 1, 1, 0))
    return apart.point(lambda level: 255 if level == 0 else 0).getbbox()


def count_pixels(picture, color):
    return sum(n for n, value in picture.getcolors(picture.width * picture.height) if value == color)


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((512, 512), [(96, 40, 210, 150)]),
        ((400, 2000), [(0, 0, 40, 200), (300, 1700, 400, 2000)]),
        ((4000, 400), [(10, 10, 800, 60), (3900, 300, 4000, 400), (2000, 100, 2100, 200)]),
        ((28, 28), [(0, 0, 5, 5), (20, 20, 28, 28)]),
        ((3000, 20), [(0, 0, 1000, 20), (1500, 2, 1503, 5)]),
        ((1024, 768), [(100 * n, 60 * n, 100 * n + 150, 60 * n + 90) for n in range(8)]),
        ((600, 800), []),
        ((1, 1), []),
    ],
)
@pytest.mark.parametrize("check", ["generated", "real", None])
def test_any_shape_gives_a_card_of_one_width(size, boxes, check):
    picture = draw_evidence_card(build_scene(size), build_verdict(size=size, zoomed=boxes, check=check))
    assert picture.mode == "RGB"
    assert picture.width == WIDTH_PX
    assert 400 < picture.height < 1500


def test_a_region_is_framed_where_it_lies_and_its_crop_is_shown_enlarged():
    box = (100, 200, 180, 260)
    event = build_verdict(size=(512, 512), zoomed=[box])
    picture = draw_evidence_card(build_scene((512, 512), box), event)
    marks = find_bounds(picture.crop((36, 104, 36 + 620, 104 + 620)), MARK)
    scale = 620 / 512
    assert marks == pytest.approx([corner * scale for corner in box], abs=2.5)
    left, top, right, bottom = (round(corner * scale) for corner in box)
    middle = (top + bottom) // 2 + 104
    assert picture.getpixel((36 + left - 2, middle)) == REGION
    assert picture.getpixel((36 + right + 1, middle)) == REGION
    assert count_pixels(picture.crop((680, 104, 1244, 724)), MARK) > 300 * 200


def test_regions_that_were_not_enlarged_get_no_number_and_no_tile():
    plain = build_verdict(size=(512, 512), zoomed=[(10, 10, 100, 100)])
    more = build_verdict(size=(512, 512), zoomed=[(10, 10, 100, 100)], idle=[(300, 300, 400, 400)])
    before, after = (draw_evidence_card(build_scene((512, 512)), event) for event in (plain, more))
    changed = ImageChops.difference(before, after).getbbox()
    assert changed is not None
    frame = map_to_card(BoundingBox(300, 300, 400, 400), (512, 512), (36, 104, 656, 724))
    assert changed == pytest.approx(frame, abs=3)
    assert count_pixels(before, REGION) == count_pixels(after, REGION)


def test_an_arrow_stands_only_where_the_check_corrected_the_scan():
    color = VERDICT_COLOR[Verdict.GENERATED]
    boxes = [(10, 10, 100, 100)]
    corrected = draw_evidence_card(build_scene((512, 512)), build_verdict(scan="real", zoomed=boxes))
    agreed = draw_evidence_card(build_scene((512, 512)), build_verdict(scan="generated", zoomed=boxes))
    between = (612, 740, 668, corrected.height)
    assert count_pixels(corrected.crop(between), color) > 300
    assert count_pixels(agreed.crop(between), color) == 0


def test_the_header_is_the_published_verdict_and_the_arrow_points_to_what_the_model_wrote():
    event = build_verdict(scan="real", check="generated", zoomed=[(0, 0, 9, 9)], p_generated=0.47)
    picture = draw_evidence_card(build_scene((512, 512)), event)
    colors = [VERDICT_COLOR[verdict] for verdict in (Verdict.REAL, Verdict.GENERATED)]
    published, arrow = picture.crop((700, 0, WIDTH_PX, 100)), picture.crop((612, 740, 668, picture.height))
    assert [count_pixels(published, color) > 300 for color in colors] == [True, False]
    assert [count_pixels(arrow, color) > 300 for color in colors] == [False, True]
    agreed = build_verdict(scan="real", check="generated", zoomed=[(0, 0, 9, 9)], p_generated=0.53)
    assert describe_outcome(event) == "corrected by zooming in, overruled by its probability"
    assert describe_outcome(agreed) == "corrected by zooming in"


def test_the_knob_stands_where_p_generated_is():
    event = build_verdict(scan="real", check="generated", zoomed=[(0, 0, 9, 9)])
    picture = draw_evidence_card(build_scene((512, 512)), event)
    answers = picture.crop((0, 730, WIDTH_PX, picture.height))
    real = find_bounds(answers.crop((58, 70, 580, 94)), VERDICT_COLOR[Verdict.REAL])
    assert real is not None
    assert real[0] / 522 == pytest.approx(event.scan.p_generated, abs=0.03)
    assert real[2] / 522 == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("text", ["", "word " * 2000, "x" * 5000, "\x00\x1b[2J", "漢字 🙂", "a\nb"])
def test_any_explanation_and_any_key_is_drawn(text):
    event = build_verdict(scan_explanation=text, check_explanation=text, key=text or "k", zoomed=[(0, 0, 9, 9)])
    assert draw_evidence_card(build_scene((512, 512)), event).height < 1500


def test_a_longer_explanation_makes_a_higher_card_up_to_a_bound():
    def measure_height(words):
        return draw_evidence_card(build_scene((512, 512)), build_verdict(check_explanation="word " * words)).height

    assert measure_height(1) < measure_height(50) < measure_height(300) == measure_height(3000)


def test_remarks_on_the_image_are_drawn():
    def draw(**fields):
        return draw_evidence_card(build_scene((512, 512)), build_verdict(**fields)).tobytes()

    assert len({draw(), draw(repaired=True), draw(frames=8, frame=2), draw(frames=8, frame=3)}) == 4
    assert draw() == draw(repaired=None, frame=None)


def test_names_show_odd_letters_as_codes():
    assert format_image_name(build_verdict(bucket="b", key="a b/ü\x1b.png")) == "s3://b/a%20b/%C3%BC%1B.png"
    assert format_image_name(build_verdict(bucket="", key="./photo.png")) == "./photo.png"
