import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.checkpoint import Calibration, Checkpoint, CheckpointCard
from pipeline.verdict import BoundingBox, Verdict
from tests.unit.training.tiny_model.test_chain import checkpoint
from training.evaluation.evaluate import Pass
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.grpo.validation import ValidationResult
from training.tiny_model import chain, record
from training.tiny_model.chain import Chain

START = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.6, iou_f1=0.6, boxes=2, unparsed=0, bleu2=0.5)
UNCERTAIN = CheckpointCard(calibration=Calibration(temperature=2.0), uncertain_between=(0.4, 0.6))


@pytest.fixture
def way(tmp_path: Path) -> Chain:
    """Stage 1 was kept, stage 2 was not."""
    made = Chain(work=tmp_path, seed=2, minutes=30, sizes=chain.TRIAL, start=None)
    for stage, weights in (("sft", b"one"), ("grpo_1", b"two"), ("grpo_2", b"two")):
        checkpoint(made.locate_stage(stage), weights)
    checkpoint(made.locate_stage("calibrated"), b"two", UNCERTAIN)
    better, worse = (dataclasses.replace(START, step=20, iou_f1=iou_f1) for iou_f1 in (0.7, 0.6))
    for stage, trained in (("grpo_1", better), ("grpo_2", worse)):
        (made.locate_stage(stage) / "grpo").mkdir()
        looked = [START, trained]
        lines = "".join(json.dumps(dataclasses.asdict(one)) + "\n" for one in looked)
        (made.locate_stage(stage) / "grpo" / "validations.jsonl").write_text(lines)
    return made


def answers(right: int) -> list[Prediction]:
    box = BoundingBox(0, 0, 10, 10)
    labels = [Verdict.REAL, Verdict.GENERATED] * 10
    return [
        Prediction(
            label,
            label,
            label if number < right else None,
            (box,),
            (box,),
            p_generated_raw=(0.9 if label is Verdict.GENERATED else 0.2) if number < right else 0.5,
            explanation="words",
            reference="words",
        )
        for number, label in enumerate(labels)
    ]


class Judge:
    def __init__(self) -> None:
        self.asked: list[tuple[bytes, set[str]]] = []

    def __call__(
        self, judged: Checkpoint, jobs: list[tuple[list[Sample], Mapping[str, Pass]]]
    ) -> tuple[dict[str, list[Prediction]], str]:
        weights = (judged.path / "model.safetensors").read_bytes()
        names = set(jobs[0][1])
        self.asked.append((weights, names))
        said = [one.recalibrate(judged.card) for one in answers(16 if weights == b"one" else 18)]
        return dict.fromkeys(names, said), "engine 0"


def test_each_weights_are_judged_once_and_not_again(way: Chain) -> None:
    judge = Judge()
    said, engine = record.predict_stages(way, list, judge)
    assert judge.asked == [(b"one", {"own"}), (b"two", {"own", "random", "annotated"})]
    assert engine == "engine 0"
    assert said["grpo_1"] == said["grpo_2"]
    assert said["grpo_2"].keys() == {"own", "random", "annotated"}
    assert said["sft"].keys() == {"own"}
    assert [one.uncertain for one in said["calibrated"]["own"]][-2:] == [True, True], "under its own card"
    assert record.predict_stages(way, list, judge) == (said, engine)
    assert len(judge.asked) == 2


def test_what_was_refused_is_measured_too_and_stays_out_of_the_model(way: Chain) -> None:
    checkpoint(way.locate_refused("grpo_2"), b"one")
    said, _ = record.predict_stages(way, list, Judge())
    assert said["grpo_2-refused"].keys() == {"own"}
    _, first, second, _ = record.build_record(way, said, commit="abc").stages
    assert (second.kept, second.added["acc"].value) == (False, -0.1)
    assert second.figures == first.figures


def test_a_record_says_what_each_stage_added_and_why_not(way: Chain) -> None:
    made = record.build_record(way, record.predict_stages(way, list, Judge())[0], commit="abc")
    assert (made.seed, made.commit, made.images) == (2, "abc", 20)
    sft, first, second, calibrated = made.stages
    assert (sft.kept, first.kept, second.kept) == (True, True, False)
    assert (sft.figures["acc"].value, sft.added) == (0.8, {})
    assert (first.figures["acc"].value, first.added["acc"].value) == (0.9, 0.1)
    low, high = first.added["acc"].low, first.added["acc"].high
    assert low is not None
    assert high is not None
    assert low < 0.1 < high
    assert second.added == {}
    assert [one.objections for one in first.looked] == [[], []]
    assert [one.step for one in second.looked] == [0, 20]
    assert "Acc and BLEU-2 did not rise" in second.looked[1].objections
    assert calibrated.figures["uncertain"].value == 0.1
    assert calibrated.added["nll_drop"].value == pytest.approx(
        (second.figures["nll"].value or 0) - (calibrated.figures["nll"].value or 0), abs=2e-4
    )
