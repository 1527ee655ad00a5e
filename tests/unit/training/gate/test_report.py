from pathlib import Path

from PIL import Image

from pipeline.verdict import Verdict
from training.gate.report import describe_row, format_measured, format_table, write_gate_report
from training.gate.table import GatedModel, GatedSet, GateRow, GateTable, Interval, Limit, RowName
from training.reports.examples import CardPair

ROW = GateRow(
    name=RowName.GOLDEN,
    demand="Acc on the golden set: difference above -0.005",
    limit=Limit(bound="above", value=-0.005),
    measured=Interval(value=0.0, low=-0.0067, high=0.0067),
    images=400,
    missing_images=1139,
    result="failed",
    detail="McNemar p = 1",
)
TABLE = GateTable(
    champion=GatedModel(name="champion", revision="sha256:" + "a" * 64, engine="stand-in 1"),
    challenger=GatedModel(name="night", revision="sha256:" + "b" * 64, engine="stand-in 1"),
    profile="demo",
    changed={"golden_may_fall": 0.005},
    sets={"golden": GatedSet(name="snapshot:golden", digest="sha256:" + "c" * 64, real=200, generated=200, left_out=2)},
    bootstrap_seed=0,
    draw_seed=0,
    made_at="2026-01-01T00:00:00Z",
    rows=[ROW],
    passed=False,
)


def test_a_row_says_what_is_missing() -> None:
    assert describe_row(ROW) == "too few images: 1,139 more are needed; McNemar p = 1"
    assert format_measured(ROW.measured) == "0.0000 [-0.0067, 0.0067]"
    assert (format_measured(Interval(value=1.0)), format_measured(None)) == ("1.0000", "-")


def test_the_text_names_profile_changes_and_sets() -> None:
    text = format_table(TABLE)
    assert "demands of the profile demo, changed: golden_may_fall 0.005" in text
    assert "golden set: snapshot:golden, 200 real and 200 generated images, 2 more cannot be read" in text
    assert text.endswith("The challenger is refused: golden.")
    assert all(len(line) <= 150 for line in text.splitlines())


def test_a_table_without_failures_lets_the_challenger_pass() -> None:
    rows = [ROW.model_copy(update={"result": "waived", "detail": "waived: few labels"})]
    assert format_table(TABLE.model_copy(update={"rows": rows, "passed": True})).endswith("The challenger is passed.")


def test_the_page_shows_both_cards_of_images_on_which_they_differ(tmp_path: Path) -> None:
    card = Image.new("RGB", (8, 8))
    pairs = [CardPair("only_b", 7, Verdict.REAL, card, card)]
    text = write_gate_report(tmp_path, TABLE, {"golden": pairs}).read_text()
    assert text.count("data:image/webp") == 2
    assert "Only the challenger is right: golden set" in text
    assert "Image 7, in truth real" in text
