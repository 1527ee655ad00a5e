import json
from pathlib import Path

import pytest

from pipeline.checkpoint import CARD_NAME, Calibration, Checkpoint, CheckpointCard, Scaling
from pipeline.errors import BadSettings


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
    assert card.calibrate(0.5, None) == pytest.approx(0.5)
    assert card.calibrate(0.9, "mobile") == pytest.approx(0.75)
    assert card.calibrate(0.5, "web") == pytest.approx(0.731, abs=0.001)
    assert 0 <= card.calibrate(0.0, "web") < card.calibrate(1.0, "web") <= 1


def test_without_calibration_nothing_changes() -> None:
    assert CheckpointCard().calibrate(0.123, "web") == 0.123


@pytest.mark.parametrize(("p", "uncertain"), [(0.39, False), (0.4, True), (0.6, True), (0.61, False)])
def test_uncertain_is_a_closed_range(p: float, uncertain: bool) -> None:
    assert CheckpointCard(uncertain_between=(0.4, 0.6)).is_uncertain(p) is uncertain
    assert not CheckpointCard().is_uncertain(p)
