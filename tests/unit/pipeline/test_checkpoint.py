import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.checkpoint import CARD_NAME, Calibration, Checkpoint, CheckpointCard, Scaling
from pipeline.errors import BadSettings
from pipeline.verdict import Decision, GlobalScan, Inspection, LocalCheck, Verdict


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"):
        (tmp_path / name).write_text(name)
    return tmp_path


def write_card(directory: Path, **fields: object) -> str:
    (directory / CARD_NAME).write_text(json.dumps(fields))
    return Checkpoint.read(directory).revision


def test_without_a_card_the_conventions_of_qwen_hold(directory: Path) -> None:
    checkpoint = Checkpoint.read(directory)
    assert checkpoint.name == directory.name
    assert checkpoint.card.model_dump() == {
        "format": 1,
        "prompt_version": "1",
        "box_frame": "pixels",
        "scan_max_pixels": 512 * 512,
        "crop_max_pixels": 336 * 336,
        "max_crops": 8,
        "calibration": None,
        "uncertain_between": None,
        "trained_on": None,
        "metrics": {},
    }


def test_the_card_is_followed(directory: Path) -> None:
    write_card(directory, box_frame="thousand", max_crops=3, uncertain_between=[0.4, 0.6])
    card = Checkpoint.read(directory).card
    assert (card.box_frame, card.max_crops, card.uncertain_between) == ("thousand", 3, (0.4, 0.6))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"prompt_version": "2"}, "prompt_version"),
        ({"format": 2}, "format"),
        ({"box_frame": "inches"}, "box_frame"),
        ({"max_crops": 0}, "max_crops"),
        ({"scan_max_pixels": 10}, "scan_max_pixels"),
        ({"calibration": {"temperature": 0}}, "calibration.temperature"),
        ({"scan_calibration": {"temperature": -1}}, "scan_calibration.temperature"),
        ({"threshold": 0}, "threshold: .* greater than 0"),
        ({"threshold": 1.0}, "threshold: .* less than 1"),
        ({"max_crop": 3}, "max_crop"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(directory: Path, fields: dict[str, object], named: str) -> None:
    with pytest.raises(BadSettings, match=named):
        write_card(directory, **fields)


def test_a_card_that_is_no_json_is_refused(directory: Path) -> None:
    (directory / CARD_NAME).write_text("{")
    with pytest.raises(BadSettings, match=CARD_NAME):
        Checkpoint.read(directory)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no model in"):
        Checkpoint.read(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"])
def test_the_revision_changes_with_what_changes_answers(directory: Path, name: str) -> None:
    before = Checkpoint.read(directory).revision
    assert before == Checkpoint.read(directory).revision
    assert before.startswith("sha256:")
    (directory / name).write_text("other")
    assert Checkpoint.read(directory).revision != before


def test_the_revision_changes_with_the_card_but_not_with_its_metrics(directory: Path) -> None:
    plain = Checkpoint.read(directory).revision
    assert write_card(directory) == plain
    assert write_card(directory, metrics={"acc": 0.9}) == plain
    assert write_card(directory, max_crops=3) != plain


def test_the_revision_does_not_change_with_place_or_bystanders(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = Checkpoint.read(directory).revision
    (directory / "README.md").write_text("model card")
    other = tmp_path_factory.mktemp("other")
    for file in directory.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    assert Checkpoint.read(other).revision == before


def test_bytes_that_move_between_files_change_the_revision(directory: Path) -> None:
    (directory / "a.json").write_text("xy")
    (directory / "b.json").write_text("z")
    before = Checkpoint.read(directory).revision
    (directory / "a.json").write_text("x")
    (directory / "b.json").write_text("yz")
    assert Checkpoint.read(directory).revision != before


def test_calibration_is_the_sources_own_where_there_is_one() -> None:
    own = {"web": Scaling(temperature=1.0, bias=1.0)}
    card = CheckpointCard(calibration=Calibration(temperature=2.0, bias=0.0, per_source=own))
    assert card.decide_check(0.5, None).p_generated == pytest.approx(0.5)
    assert card.decide_check(0.9, "mobile").p_generated == pytest.approx(0.75)
    assert card.decide_check(0.5, "web").p_generated == pytest.approx(0.731, abs=0.001)
    assert 0 <= card.decide_check(0.0, "web").p_generated < card.decide_check(1.0, "web").p_generated <= 1


def test_without_calibration_nothing_changes() -> None:
    for decision in (CheckpointCard().decide_check(0.123, "web"), CheckpointCard().decide_scan(0.123)):
        assert decision == Decision(Verdict.REAL, 0.123, 0.123, uncertain=False)


def test_each_query_has_a_calibration_of_its_own() -> None:
    card = CheckpointCard(calibration=Calibration(bias=5.0), scan_calibration=Scaling(temperature=2.0))
    assert card.decide_scan(0.9) == Decision(Verdict.GENERATED, pytest.approx(0.75), 0.9, uncertain=False)
    assert card.decide_check(0.9, None).p_generated > 0.99
    assert CheckpointCard(calibration=Calibration(bias=5.0)).decide_scan(0.4).p_generated == 0.4


@pytest.mark.parametrize(
    ("threshold", "p", "verdict", "confidence"),
    [
        (0.5, 0.47, Verdict.REAL, 0.53),
        (0.5, 0.5, Verdict.GENERATED, 0.5),
        (0.9, 0.89, Verdict.REAL, 0.11),
        (0.9, 0.9, Verdict.GENERATED, 0.9),
        (0.2, 0.3, Verdict.GENERATED, 0.3),
    ],
)
def test_the_probability_decides_from_the_threshold_on(
    threshold: float, p: float, verdict: Verdict, confidence: float
) -> None:
    decision = CheckpointCard(threshold=threshold).decide_check(p, None)
    assert (decision.verdict, decision.confidence) == (verdict, pytest.approx(confidence))


@pytest.mark.parametrize(("p", "uncertain"), [(0.39, False), (0.4, True), (0.6, True), (0.61, False)])
def test_uncertain_is_a_closed_range(p: float, uncertain: bool) -> None:
    assert CheckpointCard(uncertain_between=(0.4, 0.6)).decide_check(p, None).uncertain is uncertain
    assert not CheckpointCard().decide_check(p, None).uncertain


def test_an_inspection_is_decided_by_its_last_answer() -> None:
    card = CheckpointCard(calibration=Calibration(bias=5.0))
    scan = GlobalScan(Verdict.GENERATED, 0.4, (), "why")
    checked = Inspection(scan, (), LocalCheck(Verdict.REAL, 0.3, "why"))
    assert card.decide_inspection(checked, "web") == card.decide_check(0.3, "web")
    assert card.decide_inspection(replace(checked, check=None), "web") == card.decide_scan(0.4)


def test_without_its_calibration_a_card_has_no_threshold_that_was_chosen_for_it() -> None:
    fitted = CheckpointCard(
        calibration=Calibration(bias=1.0),
        scan_calibration=Scaling(bias=1.0),
        uncertain_between=(0.4, 0.6),
        threshold=0.7,
        max_crops=3,
    )
    assert fitted.remove_calibration() == CheckpointCard(max_crops=3)


def test_later_fields_change_the_revision_only_where_they_are_set(directory: Path) -> None:
    """Also a card that is written again keeps its revision, and readers of before can follow it."""
    plain = Checkpoint.read(directory).revision
    assert write_card(directory, threshold=0.5, scan_calibration=None) == plain
    assert set(CheckpointCard().model_dump()).isdisjoint({"threshold", "scan_calibration"})
    others = {write_card(directory, threshold=0.6), write_card(directory, scan_calibration={"bias": 1.0})}
    assert len(others | {plain}) == 3


def test_a_card_from_before_the_threshold_keeps_its_revision(directory: Path) -> None:
    revision = write_card(directory, calibration={"temperature": 1.5, "bias": -0.5}, uncertain_between=[0.2, 0.7])
    assert revision == "sha256:5db787369d58a5039759f6f017d7cd6f8ed00f937bbfc0a9d25c17fd1609b936"
