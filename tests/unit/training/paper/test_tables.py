from collections.abc import Sequence

import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.common.resampling import Metric
from training.evaluation.metrics import Prediction
from training.paper import table_1, tables
from training.paper.ablation_results import AblationResult
from training.paper.latency import Latencies

R, G = Verdict.REAL, Verdict.GENERATED
BOX = BoundingBox(10, 10, 60, 60)


def predict(
    label: Verdict, v1: Verdict | None, v2: Verdict | None, *, boxes: int = 1, text: str = "Tiles repeat."
) -> Prediction:
    regions = tuple(BoundingBox(10, 10 + 60 * n, 60, 60 + 60 * n) for n in range(boxes))
    return Prediction(label, v1, v2, regions, (BOX,), explanation=text, reference="Tiles repeat.")


OWN = [predict(G, R, G), predict(R, R, R, boxes=2), predict(G, G, R), predict(R, G, R)]
RANDOM = [predict(G, R, R), predict(R, R, R, boxes=2), predict(G, G, R), predict(R, G, G)]
PASSES = {"two_turn": OWN, "random_crops": RANDOM, "largest_4": OWN, "largest_3": OWN}


def rows_of_table_1(**results: AblationResult) -> dict[str, tables.Json]:
    rows = tables.build_table_1(PASSES, results)
    return {str(row["variant"]): row for row in rows}


def test_table_1_has_every_row_in_the_paper_s_order() -> None:
    assert list(rows_of_table_1()) == [
        "base",
        "sft",
        "one_turn_e",
        "one_turn_eg",
        "verdict_only",
        "no_bleu",
        "dual_verdict",
        "two_turn",
        "random_crops",
        "largest_4",
        "largest_3",
    ]


def test_a_live_row_is_measured_and_holds_the_identity() -> None:
    row = rows_of_table_1()["two_turn"]
    assert row["state"] == "live"
    value = {name: row[name]["value"] for name in table_1.COLUMNS}
    assert (value["acc"], value["i_acc"], value["c_cases"]) == (0.75, 0.5, 0.75)
    assert value["c_acc"] == pytest.approx(2 / 3, abs=1e-4)
    assert value["bleu2"] == value["rouge_l"] == 1.0
    assert value["iou"] == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    for name in table_1.LIVE_ROWS:
        assert rows_of_table_1()[name]["identity_gap"]["value"] == 0.0


def test_random_crops_are_held_against_the_boxes_that_query_2_saw() -> None:
    row = rows_of_table_1()["random_crops"]
    assert row["i_acc"] == rows_of_table_1()["two_turn"]["i_acc"]
    assert row["iou"]["value"] < 0.3
    cost = tables.measure_random_crop_cost(PASSES)
    assert (cost["value"], cost["n"], cost["paper"]) == (0.5, 4, 0.13)


def test_a_training_is_recorded_or_not_there_and_never_made_up() -> None:
    result = AblationResult(
        {"acc": Metric(0.7, 0.6, 0.8, 100)}, "abc", 3, "2026-01-01", "zoomin-tiny sha256:0", ["GRPO"]
    )
    row = rows_of_table_1(sft=result)["sft"]
    assert (row["state"], row["commit"], row["seed"]) == ("recorded", "abc", 3)
    assert row["acc"] == {"value": 0.7, "low": 0.6, "high": 0.8, "n": 100}
    assert row["iou"] is None
    missing = rows_of_table_1()["sft"]
    assert (missing["state"], rows_of_table_1()["no_bleu"]["state"]) == ("not measured yet", "not trained yet")
    assert all(missing[name] is None for name in (*table_1.COLUMNS, "identity_gap"))
    assert missing["paper"]["7B"]["acc"] == 0.719


def test_the_own_row_is_live_and_stands_beside_its_training_with_the_rows_budget() -> None:
    result = AblationResult(
        {"acc": Metric(0.7, 0.6, 0.8, 100)}, "abc", 3, "2026-01-01", "zoomin-tiny sha256:0", ["GRPO"]
    )
    assert rows_of_table_1(two_turn=result)["two_turn"]["state"] == "live"
    beside = tables.build_equal_budget_row({"two_turn": result})
    assert beside is not None
    assert (beside["state"], beside["acc"]["value"], beside["phases"]) == ("recorded", 0.7, ["GRPO"])
    assert tables.build_equal_budget_row({"sft": result}) is None


def test_table_2_names_the_sets_that_were_not_given() -> None:
    rows = {row["set"]: row for row in tables.build_table_2({"scenes": ("Scenes", OWN)}, OWN)}
    assert list(rows) == ["genimage", "mmfr", "synthscars", "magnifake", "scenes"]
    assert rows["genimage"]["acc"] is None
    assert rows["genimage"]["paper"] == {"7B": 0.878, "32B": 0.915}
    assert (rows["scenes"]["acc"]["value"], rows["scenes"]["images"], rows["scenes"]["generated"]) == (0.75, 4, 2)
    assert rows["scenes"]["paper"] == {}


def test_a_drop_is_against_the_own_set_where_there_are_both_classes() -> None:
    other = [predict(G, R, R), predict(R, R, R)]
    sets = {"scenes": ("Scenes", OWN), "photographs": ("Photographs", other), "synthscars": ("SynthScars", other[:1])}
    rows = {row["set"]: row for row in tables.build_table_2(sets, OWN)}
    assert (rows["photographs"]["acc_drop"]["value"], rows["photographs"]["acc_drop"]["n"]) == (0.25, 6)
    assert rows["scenes"]["acc_drop"] is rows["synthscars"]["acc_drop"] is rows["mmfr"]["acc_drop"] is None


def test_table_3_swaps_the_formats_of_the_classes() -> None:
    """A judge that takes every JPEG file for real."""

    def answer(label: Verdict, verdict: Verdict) -> Prediction:
        return predict(label, verdict, verdict)

    lossless = [answer(label, G) for label in (R, G)] * 4
    as_jpeg = [answer(label, R) for label in (R, G)] * 4
    right = [answer(label, label) for label in (R, G)] * 4
    passes = {"two_turn": right, "crop": lossless, "crop_as_jpeg": as_jpeg}
    plain, crop = tables.build_table_3(passes)
    assert (plain["degradation"], plain["acc"]["value"], plain["acc_drop"]["value"]) == ("none", 1.0, 0.0)
    assert (crop["acc"]["value"], crop["acc_drop"]["value"]) == (0.5, 0.5)
    assert crop["acc_formats_usual"]["value"] == 1.0
    assert crop["acc_formats_swapped"]["value"] == 0.0
    assert crop["format_effect"]["value"] == 1.0
    assert crop["iou_formats_swapped"]["value"] == 1.0
    assert crop["paper"] == {"acc": 0.965, "iou": 0.306}


def test_table_4_has_mean_and_deviation_of_both() -> None:
    one, two = tables.build_table_4(Latencies([1.0, 3.0], [2.0, 2.0, 5.0]), "a machine")
    assert (one["queries"], one["mean_s"], one["n"], one["machine"]) == (1, 2.0, 2, "a machine")
    assert one["deviation_s"] == pytest.approx(1.4142, abs=1e-4)
    assert (two["mean_s"], two["paper"]["32B"]) == (3.0, {"mean_s": 24.0, "deviation_s": 3.0})
    assert tables.build_table_4(Latencies([], []), "")[0]["mean_s"] is None


def test_boxes_are_counted_and_judged_by_their_number() -> None:
    many = [predict(R, R, R, boxes=9), predict(R, G, G, boxes=0)]
    rows = {row["boxes"]: row for row in tables.group_by_boxes([*OWN, *many])}
    assert list(rows) == ["0", "1", "2", "3", "4", "5", "6 or more"]
    assert [row["images"] for row in rows.values()] == [1, 3, 1, 0, 0, 0, 1]
    assert (rows["1"]["acc"]["value"], rows["1"]["acc"]["n"]) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert rows["0"]["acc"]["value"] == rows["0"]["i_acc"]["value"] == 0.0
    assert rows["3"]["acc"]["value"] is None


def words(rows: Sequence[tables.Json]) -> dict[object, tuple[object, object]]:
    return {row["word"]: (row["references"], row["model"]) for row in rows}


def test_keywords_are_shares_of_those_that_speak() -> None:
    predictions = [
        predict(R, R, R, text="Seams and tiles."),
        predict(R, R, R, text="Seams."),
        predict(R, R, None, text=""),
    ]
    assert words(tables.compare_keywords(predictions)) == {"tile": (1.0, 0.5), "repeat": (1.0, 0.0), "seam": (0.0, 1.0)}
