import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import geometry, prompts
from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import metrics, text_metrics
from training.grpo import rewards
from training.grpo.profiles import IouMode
from training.runs import completions
from training.runs.completions import ParsedCompletion

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
MODES: list[IouMode] = ["eq2", "recall", "f1"]
SQUARE = BoundingBox(0, 0, 10, 10)
HALF = BoundingBox(0, 0, 10, 5)
AWAY = BoundingBox(50, 50, 60, 60)
SIZES = {"view": (140, 140), "image": (512, 512)}

boxes = st.builds(
    lambda x, y, width, height: BoundingBox(x, y, x + width, y + height),
    *[st.integers(0, 40)] * 2,
    *[st.integers(1, 40)] * 2,
)
some_boxes = st.lists(boxes, max_size=10).map(tuple)


def named(*regions: BoundingBox) -> ParsedCompletion:
    return ParsedCompletion(REAL, regions)


def test_every_mode_is_a_reading_of_the_reports() -> None:
    assert set(get_args(IouMode)) == set(metrics.IOU_METRICS)


def test_answers_are_read_as_serving_reads_them() -> None:
    text = prompts.render_scan(GENERATED, [(0, 0, 500, 500), (900, 0, 100, 100)], "two places")
    read = completions.read_scan_completion(text, frame="thousand", **SIZES)
    assert read == ParsedCompletion(GENERATED, (BoundingBox(0, 0, 256, 256),), "two places")
    read = completions.read_scan_completion(text, frame="pixels", view=(1024, 1024), image=(512, 512))
    assert read.regions == (BoundingBox(0, 0, 250, 250),)
    assert completions.read_check_completion(prompts.render_check(REAL, "a seam")) == ParsedCompletion(
        REAL, (), "a seam"
    )


def test_an_answer_that_was_cut_is_read_as_far_as_it_goes() -> None:
    text = "<verdict>real</verdict><boxes>[0,0,500,500]</boxes><explan"
    assert completions.read_scan_completion(text, frame="thousand", **SIZES) == completions.UNREADABLE
    assert completions.read_scan_completion(text, frame="thousand", **SIZES, truncated=True) == named(
        BoundingBox(0, 0, 256, 256)
    )
    assert completions.read_check_completion("<verdict>generated</verdict><expl", truncated=True).verdict is GENERATED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "real",
        "<verdict>maybe</verdict><boxes></boxes><explanation>x</explanation>",
        "I say <verdict>real</verdict><boxes></boxes><explanation>x</explanation>",
        "<verdict>real</verdict><boxes>[1,2,3]</boxes><explanation>x</explanation>",
    ],
)
def test_what_serving_could_not_read_earns_nothing(text: str) -> None:
    answer = completions.read_scan_completion(text, frame="thousand", **SIZES)
    assert answer == completions.UNREADABLE
    assert (
        rewards.reward_format(answer)
        == rewards.reward_verdict(answer, REAL)
        == rewards.reward_bleu(answer, "a seam")
        == 0.0
    )
    assert all(rewards.reward_iou(answer, [], mode) == 0.0 for mode in MODES)  # not left out: silence must not pay


def test_equation_1() -> None:
    assert (rewards.reward_format(named()), rewards.reward_format(completions.UNREADABLE)) == (1.0, 0.0)


def test_equation_2_by_hand() -> None:
    answer, annotated = named(HALF, AWAY), [SQUARE]
    assert rewards.reward_iou(answer, annotated, "eq2") == pytest.approx((1 / 2 + 0) / 2)
    assert rewards.reward_iou(answer, annotated, "recall") == pytest.approx(1 / 2)
    assert rewards.reward_iou(answer, annotated, "f1") == pytest.approx(2 * 1 / 4 * 1 / 2 / (1 / 4 + 1 / 2))


@pytest.mark.parametrize("mode", MODES)
def test_one_side_without_boxes_earns_nothing_and_both_are_left_out(mode: IouMode) -> None:
    assert rewards.reward_iou(named(), [SQUARE], mode) == rewards.reward_iou(named(SQUARE), [], mode) == 0.0
    assert rewards.reward_iou(named(), [], mode) is None


def test_a_good_box_said_often_earns_no_more_than_once() -> None:
    often, once = named(AWAY, *[SQUARE] * 9), named(AWAY, SQUARE)
    nearly = named(AWAY, SQUARE, BoundingBox(0, 0, 10, 9))  # IoU .9 with the square
    for mode in MODES:
        assert rewards.reward_iou(often, [SQUARE], mode) == rewards.reward_iou(once, [SQUARE], mode)
        assert rewards.reward_iou(nearly, [SQUARE], mode) == rewards.reward_iou(once, [SQUARE], mode)


def test_no_more_than_eight_boxes_count() -> None:
    far = [BoundingBox(100 * n, 0, 100 * n + 10, 10) for n in range(1, rewards.MAX_BOXES + 1)]
    assert rewards.reward_iou(named(*far, SQUARE), [SQUARE], "recall") == 0.0
    assert rewards.reward_iou(named(*far[1:], SQUARE), [SQUARE], "recall") == 1.0


def test_leaving_out_the_worse_box_games_equation_2_and_not_f1() -> None:
    annotated = [SQUARE, AWAY]
    few, all_of_them = named(SQUARE), named(SQUARE, BoundingBox(50, 50, 60, 58))
    eq2 = [rewards.reward_iou(answer, annotated, "eq2") for answer in (few, all_of_them)]
    f1 = [rewards.reward_iou(answer, annotated, "f1") for answer in (few, all_of_them)]
    assert eq2 == pytest.approx([1.0, 0.9])
    assert f1 == pytest.approx([2 / 3, 0.9])


@given(some_boxes, some_boxes, st.sampled_from(MODES))
def test_overlap_rewards_lie_in_bounds(
    regions: tuple[BoundingBox, ...], annotated: tuple[BoundingBox, ...], mode: IouMode
) -> None:
    reward = rewards.reward_iou(ParsedCompletion(REAL, regions), annotated, mode)
    assert (reward is None) == (not regions and not annotated)
    assert reward is None or 0 <= reward <= 1


@given(st.sets(boxes, max_size=8).map(tuple), st.sets(boxes, max_size=8).map(tuple))
def test_f1_is_symmetric_and_recall_is_equation_2_turned_round(
    one: tuple[BoundingBox, ...], other: tuple[BoundingBox, ...]
) -> None:
    one, other = (tuple(geometry.drop_repeated_boxes(side)) for side in (one, other))

    def reward(mode: IouMode, regions: tuple[BoundingBox, ...], annotated: tuple[BoundingBox, ...]) -> float | None:
        return rewards.reward_iou(ParsedCompletion(REAL, regions), annotated, mode)

    assert reward("f1", one, other) == pytest.approx(reward("f1", other, one))
    assert reward("recall", one, other) == pytest.approx(reward("eq2", other, one))


@given(st.sets(boxes, min_size=1, max_size=8).map(tuple), st.sampled_from(MODES))
def test_the_annotated_boxes_themselves_earn_all(annotated: tuple[BoundingBox, ...], mode: IouMode) -> None:
    annotated = tuple(geometry.drop_repeated_boxes(annotated))
    assert rewards.reward_iou(ParsedCompletion(REAL, annotated), annotated, mode) == pytest.approx(1)


def test_equation_3() -> None:
    assert [rewards.reward_verdict(ParsedCompletion(GENERATED), label) for label in (REAL, GENERATED)] == [0.0, 1.0]


def test_equation_4_is_the_metric() -> None:
    answer = ParsedCompletion(REAL, (), "the seam repeats here")
    assert rewards.reward_bleu(answer, "the seam repeats there") == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    assert rewards.reward_bleu(answer, "a seam") == text_metrics.bleu("the seam repeats here", "a seam", order=2)
    assert rewards.reward_bleu(answer, "") is None


@given(st.text(max_size=200), st.booleans())
def test_any_text_is_read_or_unreadable(text: str, truncated: bool) -> None:
    for answer in (
        completions.read_scan_completion(text, frame="thousand", **SIZES, truncated=truncated),
        completions.read_check_completion(text, truncated=truncated),
    ):
        assert (answer.verdict is not None) == (rewards.reward_format(answer) == 1.0)
