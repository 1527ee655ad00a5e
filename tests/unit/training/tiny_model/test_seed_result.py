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
from training.tiny_model import chain, seed_result
from training.tiny_model.chain import Chain
from training.validation.result import ValidationResult

START = ValidationResult(0, acc=0.9, i_acc=0.7, iou=0.6, iou_recall=0.6, iou_f1=0.6, boxes=2, unparsed=0, bleu2=0.5)
UNCERTAIN = CheckpointCard(calibration=Calibration(temperature=2.0), uncertain_between=(0.4, 0.6))


@pytest.fixture
def stage_chain(tmp_path: Path) -> Chain:
    """Stage 1 was kept, stage 2 was not."""
    built = Chain(work=tmp_path, seed=2, minutes=30, sizes=chain.TRIAL, start=None)
    for stage, weights in (("sft", b"one"), ("grpo_1", b"two"), ("grpo_2", b"two")):
        checkpoint(built.locate_stage(stage), weights)
    checkpoint(built.locate_stage("calibrated"), b"two", UNCERTAIN)
    better, worse = (dataclasses.replace(START, step=20, iou_f1=iou_f1) for iou_f1 in (0.7, 0.6))
    for stage, trained, failed in (("grpo_1", better, []), ("grpo_2", worse, ["no rise of Acc and BLEU-2 seen"])):
        (built.locate_stage(stage) / "grpo").mkdir()
        results = [dataclasses.asdict(result) for result in (START, trained)]
        lines = "".join(json.dumps(result) + "\n" for result in results)
        (built.locate_stage(stage) / "grpo" / "validations.jsonl").write_text(lines)
        outcome = {"published": results[1], "failed_checks": failed}
        (built.locate_stage(stage) / "grpo" / "outcome.json").write_text(json.dumps(outcome))
    return built


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
            p_generated_raw=(0.9 if label is Verdict.GENERATED else 0.2) if number < right else None,
            scan_p_generated_raw=0.5,
            explanation="words",
            reference="words",
        )
        for number, label in enumerate(labels)
    ]


class Predictor:
    def __init__(self) -> None:
        self.calls: list[tuple[bytes, set[str]]] = []

    def __call__(
        self, checkpoint: Checkpoint, jobs: list[tuple[list[Sample], Mapping[str, Pass]]]
    ) -> tuple[dict[str, list[Prediction]], str]:
        weights = (checkpoint.path / "model.safetensors").read_bytes()
        names = set(jobs[0][1])
        self.calls.append((weights, names))
        predictions = [one.recalibrate(checkpoint.card) for one in answers(16 if weights == b"one" else 18)]
        return dict.fromkeys(names, predictions), "engine 0"


def test_each_weights_are_judged_once_and_not_again(stage_chain: Chain) -> None:
    predictor = Predictor()
    predictions, engine = seed_result.predict_stages(stage_chain, list, predictor)
    assert predictor.calls == [(b"one", {"own"}), (b"two", {"own", "random", "annotated"})]
    assert engine == "engine 0"
    assert predictions["grpo_1"] == predictions["grpo_2"]
    assert predictions["grpo_2"].keys() == {"own", "random", "annotated"}
    assert predictions["sft"].keys() == {"own"}
    assert [one.uncertain for one in predictions["calibrated"]["own"]][-2:] == [True, True], "under its own card"
    assert seed_result.predict_stages(stage_chain, list, predictor) == (predictions, engine)
    assert len(predictor.calls) == 2


def test_what_was_refused_is_measured_too_and_stays_out_of_the_model(stage_chain: Chain) -> None:
    checkpoint(stage_chain.locate_refused("grpo_2"), b"one")
    predictions, _ = seed_result.predict_stages(stage_chain, list, Predictor())
    assert predictions["grpo_2-refused"].keys() == {"own"}
    _, first, second, _ = seed_result.build_seed_result(stage_chain, predictions, commit="abc").stages
    assert (second.kept, second.added["acc"].value) == (False, -0.1)
    assert second.figures == first.figures


def test_a_result_says_what_each_stage_added_and_why_not(stage_chain: Chain) -> None:
    built = seed_result.build_seed_result(
        stage_chain, seed_result.predict_stages(stage_chain, list, Predictor())[0], commit="abc"
    )
    assert (built.seed, built.commit, built.images) == (2, "abc", 20)
    sft, first, second, calibrated = built.stages
    assert (sft.kept, first.kept, second.kept) == (True, True, False)
    assert (sft.figures["acc"].value, sft.added) == (0.8, {})
    assert (first.figures["acc"].value, first.added["acc"].value) == (0.9, 0.1)
    low, high = first.added["acc"].low, first.added["acc"].high
    assert low is not None
    assert high is not None
    assert low < 0.1 < high
    assert second.added == {}
    assert [weights.objections for weights in first.looked] == [[], [], []]
    assert [(weights.step, weights.published) for weights in second.looked] == [(0, False), (20, False), (20, True)]
    assert second.looked[-1].objections == ["no rise of Acc and BLEU-2 seen"]
    assert calibrated.figures["uncertain"].value == 0.1
    assert calibrated.added["nll_drop"].value == pytest.approx(
        (second.figures["nll"].value or 0) - (calibrated.figures["nll"].value or 0), abs=2e-4
    )
