import json
from pathlib import Path

import pytest

from pipeline.errors import BadSettings, ChampionChanged
from pipeline.registry.manifest import MANIFEST_NAME
from tests.support.memory_s3 import MemoryS3
from tests.support.nights import CASES, Killed, Labels, Stage
from tests.support.registries import build_registry, put_revision
from tests.support.snapshots import put_labeled_case
from training.errors import LeaseHeld
from training.retraining.config import NightConfig
from training.retraining.night import read_champion, refuse_refused_start

VERBS = ["sft", "grpo 1", "grpo 2", "calibrate", "evaluate", "predict", "gate"]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    return Labels.build(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def stage(labels: Labels, tmp_path: Path) -> Stage:
    return Stage(labels, tmp_path)


def test_a_night_promotes_what_has_passed(stage: Stage) -> None:
    outcome = stage.run()
    assert outcome.succeeded
    assert outcome.sentence.endswith("is the champion now")
    assert stage.list_verbs() == VERBS
    registry = build_registry(stage.s3)
    manifest = registry.read_manifest(stage.read_champion())
    assert manifest.parent == stage.champion.revision
    assert manifest.gate is not None
    assert {question.verdict for question in manifest.smoke} == {"real", "generated"}
    assert manifest.data_digest is not None
    assert (stage.root / "snapshots" / manifest.data_digest / "snapshot.json").is_file()
    pointer = registry.read_pointer()
    assert pointer is not None
    assert pointer.champion.previous == stage.champion.revision


def test_each_stage_starts_from_the_one_before_it(stage: Stage) -> None:
    stage.run()
    starts = [command[1] for command in stage.ran[:3]]
    outs = [command[command.index("--out") + 1] for command in stage.ran[:3]]
    assert starts[1:] == outs[:2]
    assert stage.champion.revision.replace(":", "-") in starts[0]


def test_the_next_night_has_nothing_to_do_and_costs_nothing(stage: Stage) -> None:
    stage.run()
    stage.ran.clear()
    stage.s3.requests.clear()
    outcome = stage.run()
    assert outcome.succeeded
    assert outcome.sentence == (f"nothing to do: 0 of {CASES} labeled cases are new, fewer than 20, and no drift alarm")
    assert stage.ran == []
    assert [key for request, key in stage.s3.requests if request == "put"] == []
    assert not [key for _, key in stage.s3.requests if key.startswith(("images/", "labels/")) and key.count("/") > 1]


def test_new_labels_start_another_night_that_starts_from_the_new_champion(stage: Stage) -> None:
    stage.run()
    promoted = stage.read_champion()
    stage.ran.clear()
    for number in range(CASES, CASES + 20):
        put_labeled_case(stage.bucket, number)
    stage.run()
    assert stage.list_verbs() == VERBS
    assert promoted.replace(":", "-") in stage.ran[0][1]


@pytest.mark.parametrize("drifts", [True, False])
def test_a_drift_alarm_starts_a_night_with_fewer_labels(drifts: bool, stage: Stage, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    level = "alarm" if drifts else "watch"
    report.write_text(json.dumps({"drift": {"moved": [{"feature": "verdict", "source": None, "level": level}]}}))
    outcome = stage.run(least_new_labels=1000, drift_report=report)
    assert outcome.sentence.startswith("nothing to do") is not drifts


def test_a_night_killed_at_every_command_goes_on_with_its_own_snapshot(stage: Stage) -> None:
    for number, name in enumerate(("sft", "grpo_1", "grpo_2", "calibrate", "evaluate", "gains", "gate")):
        stage.kill_at = name
        with pytest.raises(Killed):
            stage.run()
        assert stage.list_verbs() == VERBS[:number]
        assert stage.read_champion() == stage.champion.revision
    put_labeled_case(stage.bucket, CASES)
    stage.kill_at = ""
    assert stage.run().succeeded
    assert stage.list_verbs() == VERBS, "no command ran twice"
    assert any("cut off" in said for said in stage.said)
    assert len(list((stage.root / "nights").glob("*/night.json"))) == 1
    assert stage.read_champion() != stage.champion.revision


def test_a_refused_challenger_is_neither_pushed_nor_started_from(stage: Stage) -> None:
    stage.passes = False
    outcome = stage.run()
    assert not outcome.succeeded
    assert outcome.sentence == "the challenger is refused: golden"
    assert stage.read_champion() == stage.champion.revision
    assert [key for key in stage.s3.objects if key.endswith(MANIFEST_NAME)] == [
        build_registry(stage.s3).build_file_key(stage.champion.revision, MANIFEST_NAME)
    ]
    stage.ran.clear()
    assert stage.run().sentence == outcome.sentence, "the same labels are not trained on again"
    assert stage.ran == []
    for number in range(CASES, CASES + 20):
        put_labeled_case(stage.bucket, number)
    stage.run()
    assert stage.champion.revision.replace(":", "-") in stage.ran[0][1]


def test_changed_demands_judge_the_same_challenger_again(stage: Stage) -> None:
    stage.passes = False
    stage.run()
    stage.ran.clear()
    stage.passes = True
    waived = {"profile": "demo", "waive": {"golden": "too few labels so far"}}
    assert stage.run(gate=waived).succeeded
    assert stage.list_verbs() == ["gate"]


def test_manual_promotion_waits_for_a_person(stage: Stage) -> None:
    outcome = stage.run(promotion="manual")
    assert outcome.succeeded
    assert outcome.sentence.startswith("waits for a person: zoomin-train models promote s3://models/models/")
    assert stage.read_champion() == stage.champion.revision


def test_a_champion_of_somebody_else_meanwhile_is_not_replaced(stage: Stage) -> None:
    stage.kill_at = "gate"
    with pytest.raises(Killed):
        stage.run()
    rival = put_revision(stage.s3, {"config.json": b"{}", "model.safetensors": b"rival"})

    def promote_a_rival() -> None:
        if "gate" in stage.list_verbs():
            stage.before_each = lambda: None
            stage.promote(rival)

    stage.kill_at = ""
    stage.before_each = lambda: promote_a_rival()
    with pytest.raises(ChampionChanged):
        stage.run()
    assert stage.read_champion() == rival.revision


def test_a_night_whose_lease_was_taken_leaves_the_champion(stage: Stage) -> None:
    def refuse() -> None:
        raise LeaseHeld("another process took over the night")

    stage.before_each = refuse
    with pytest.raises(LeaseHeld):
        stage.run()
    assert (stage.ran, stage.read_champion()) == ([], stage.champion.revision)


def test_stages_may_be_left_out(stage: Stage) -> None:
    stage.run(stages=["sft"])
    assert stage.list_verbs() == ["sft", *VERBS[3:]]


def test_a_frozen_base_is_started_from(stage: Stage, tmp_path: Path) -> None:
    base = tmp_path / "frozen"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        (base / name).write_bytes(b"{}")
    stage.run(start="base", base_model=base)
    assert stage.ran[0][1] == str(base)


def test_a_registry_without_a_champion_is_told_what_to_do() -> None:
    with pytest.raises(BadSettings, match=r"has no champion, .* push a first revision and promote it"):
        read_champion(build_registry(MemoryS3()))


def test_a_pointer_to_nothing_is_told(stage: Stage) -> None:
    del stage.s3.objects[build_registry(stage.s3).build_file_key(stage.champion.revision, MANIFEST_NAME)]
    with pytest.raises(BadSettings, match=r"manifest\.json is missing"):
        stage.run()


def test_a_champion_with_a_missing_file_is_told(stage: Stage) -> None:
    del stage.s3.objects[build_registry(stage.s3).build_file_key(stage.champion.revision, "model.safetensors")]
    with pytest.raises(BadSettings, match=r"model\.safetensors"):
        stage.run()
    assert stage.ran == []


def test_too_few_images_to_calibrate_on_are_told_before_anything_is_trained(stage: Stage) -> None:
    with pytest.raises(BadSettings) as refused:
        stage.run(calibrate={})
    assert "calibration needs 50 of each label" in refused.value.detail
    assert stage.ran == []


def test_a_base_among_the_nights_is_refused(stage: Stage) -> None:
    config: NightConfig = stage.build_config(start="base", base_model=stage.root / "nights" / "x" / "challenger" / "m")
    with pytest.raises(BadSettings, match="where refused challengers lie"):
        refuse_refused_start(config)
