import pytest
from PIL import Image, ImageChops

from pipeline.evidence import card as evidence_card
from pipeline.evidence.card import BADGE_PX, REGION, VERDICT_COLOR, card, image_name, on_card, zoomed
from pipeline.evidence.layout import WIDTH_PX
from pipeline.verdict import BoundingBox, Verdict
from tests.support.verdicts import verdict_event

GROUND = (90, 110, 130)
MARK = (0, 0, 255)


def scene(size, marked=None):
    pixels = Image.new("RGB", size, GROUND)
    if marked:
        pixels.paste(MARK, marked)
    return pixels


def bounds_of(picture, color):
    """The bounding box of the pixels of exactly this colour, None where there is none."""
    apart = ImageChops.difference(picture, Image.new("RGB", picture.size, color)).convert("L", (1, 1, 1, 0))
    return apart.point(lambda level: 255 if level == 0 else 0).getbbox()


def count(picture, color):
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
    picture = card(scene(size), verdict_event(size=size, zoomed=boxes, check=check))
    assert picture.mode == "RGB"
    assert picture.width == WIDTH_PX
    assert 400 < picture.height < 1500


def test_a_region_is_framed_where_it_lies_and_its_crop_is_shown_enlarged():
    box = (100, 200, 180, 260)
    event = verdict_event(size=(512, 512), zoomed=[box])
    picture = card(scene((512, 512), box), event)
    marks = bounds_of(picture.crop((36, 104, 36 + 620, 104 + 620)), MARK)
    scale = 620 / 512
    assert marks == pytest.approx([corner * scale for corner in box], abs=2.5)
    left, top, right, bottom = (round(corner * scale) for corner in box)
    middle = (top + bottom) // 2 + 104
    assert picture.getpixel((36 + left - 2, middle)) == REGION
    assert picture.getpixel((36 + right + 1, middle)) == REGION
    assert count(picture.crop((680, 104, 1244, 724)), MARK) > 300 * 200


def test_regions_that_were_not_enlarged_get_no_number_and_no_tile():
    plain = verdict_event(size=(512, 512), zoomed=[(10, 10, 100, 100)])
    more = verdict_event(size=(512, 512), zoomed=[(10, 10, 100, 100)], idle=[(300, 300, 400, 400)])
    before, after = card(scene((512, 512)), plain), card(scene((512, 512)), more)
    changed = ImageChops.difference(before, after).getbbox()
    assert changed is not None
    frame = on_card(BoundingBox(300, 300, 400, 400), (512, 512), (36, 104, 656, 724))
    assert changed == pytest.approx(frame, abs=3)
    assert count(before, REGION) == count(after, REGION)


def test_an_arrow_stands_only_where_the_check_corrected_the_scan():
    color = VERDICT_COLOR[Verdict.GENERATED]
    boxes = [(10, 10, 100, 100)]
    corrected = card(scene((512, 512)), verdict_event(scan="real", zoomed=boxes))
    agreed = card(scene((512, 512)), verdict_event(scan="generated", zoomed=boxes))
    between = (612, 740, 668, corrected.height)
    assert count(corrected.crop(between), color) > 300
    assert count(agreed.crop(between), color) == 0


def test_the_knob_stands_where_p_generated_is():
    event = verdict_event(scan="real", check="generated", zoomed=[(0, 0, 9, 9)])
    picture = card(scene((512, 512)), event)
    answers = picture.crop((0, 730, WIDTH_PX, picture.height))
    real = bounds_of(answers.crop((58, 70, 580, 94)), VERDICT_COLOR[Verdict.REAL])
    assert real is not None
    assert real[0] / 522 == pytest.approx(event.scan.p_generated, abs=0.03)
    assert real[2] / 522 == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("text", ["", "word " * 2000, "x" * 5000, "\x00\x1b[2J", "漢字 🙂", "a\nb"])
def test_any_explanation_and_any_key_is_drawn(text):
    event = verdict_event(scan_explanation=text, check_explanation=text, key=text or "k", zoomed=[(0, 0, 9, 9)])
    assert card(scene((512, 512)), event).height < 1500


def test_a_longer_explanation_makes_a_higher_card_up_to_a_bound():
    def height(words):
        return card(scene((512, 512)), verdict_event(check_explanation="word " * words)).height

    assert height(1) < height(50) < height(300) == height(3000)


def test_zoomed_gives_what_query_2_saw_once_and_in_its_order():
    event = verdict_event(zoomed=[(9, 9, 20, 20), (0, 0, 5, 5), (9, 9, 20, 20)], idle=[(1, 1, 2, 2)])
    assert [box.corners for box in zoomed(event, (512, 512))] == [(9, 9, 20, 20), (0, 0, 5, 5)]


def test_names_show_odd_letters_as_codes():
    assert image_name(verdict_event(bucket="b", key="a b/ü\x1b.png")) == "s3://b/a%20b/%C3%BC%1B.png"
    assert image_name(verdict_event(bucket="", key="./photo.png")) == "./photo.png"


def test_numbers_of_crowded_regions_do_not_hide_each_other():
    place, taken = (0, 0, 600, 600), []
    for _ in range(8):
        taken.append(evidence_card.free_corner((100, 100, 140, 140), place, taken))
    assert not any(evidence_card.overlap(a, b) for n, a in enumerate(taken) for b in taken[:n])
    assert all(badge[0] >= 0 and badge[2] <= 600 and badge[2] - badge[0] == BADGE_PX for badge in taken)
