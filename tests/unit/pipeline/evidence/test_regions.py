from pipeline.evidence.regions import BADGE_PX, find_free_corner, list_zoomed_boxes, overlap
from tests.support.verdicts import build_verdict


def test_zoomed_gives_what_query_2_saw_once_and_in_its_order():
    event = build_verdict(zoomed=[(9, 9, 20, 20), (0, 0, 5, 5), (9, 9, 20, 20)], idle=[(1, 1, 2, 2)])
    assert [box.corners for box in list_zoomed_boxes(event, (512, 512))] == [(9, 9, 20, 20), (0, 0, 5, 5)]


def test_numbers_of_crowded_regions_do_not_hide_each_other():
    place, badges = (0, 0, 600, 600), []
    for _ in range(8):
        badges.append(find_free_corner((100, 100, 140, 140), place, badges))
    assert not any(overlap(a, b) for n, a in enumerate(badges) for b in badges[:n])
    assert all(badge[0] >= 0 and badge[2] <= 600 and badge[2] - badge[0] == BADGE_PX for badge in badges)
