import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.training.grpo.test_run import plan
from training.grpo import run as grpo_run
from training.grpo.greedy import Reader
from training.grpo.plan import Plan
from training.grpo.validation import Result
from training.grpo.validator import Examiner
from training.runs import resuming

START = Result(0, acc=0.9, i_acc=0.7, iou=0.7, iou_recall=0.7, iou_f1=0.7, boxes=2.0, unparsed=0.0, bleu2=0.9)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    made = plan(Path(), tmp_path_factory.mktemp("out"), stage=1)
    model, processor = grpo_run._load(made)
    return Reader(model, processor.tokenizer, made.start.card, 4)


@pytest.fixture
def made(tmp_path: Path) -> Plan:
    made = plan(Path(), tmp_path / "out", stage=1)
    made.record.mkdir(parents=True)
    return made


@pytest.mark.parametrize(
    ("refused", "kept"),
    [
        (None, [{10}, {10, 20}, {10, 20}, {10, 20}, {20, 50}]),
        (Path("refused"), [{10}, {10, 20}, {20, 30}, {20, 30, 40}, {20, 40, 50}]),
    ],
)
def test_weights_stay_until_others_have_been_better_twice(
    refused: Path | None, kept: list[set[int]], made: Plan, reader: Reader
) -> None:
    examiner = Examiner(replace(made, refused=refused), reader, [])
    examiner.results.append(START)
    f1 = {10: 0.75, 20: 0.8, 30: 0.6, 40: 0.6, 50: 0.9}
    for (step, iou_f1), wanted in zip(f1.items(), kept, strict=True):
        examiner._note(replace(START, step=step, iou_f1=iou_f1), Path.mkdir)
        assert {int(path.name.removeprefix("weights-")) for path in made.record.glob("weights-*")} == wanted


def test_after_a_kill_what_was_validated_beyond_the_last_checkpoint_is_validated_again(
    made: Plan, reader: Reader
) -> None:
    lines = [json.dumps(asdict(replace(START, step=step))) for step in (0, 20, 40)]
    (made.record / "validations.jsonl").write_text("\n".join(lines) + '\n{"step": 60, "ac')
    (made.record / "checkpoint-25").mkdir()
    resuming.write_clock(made.record / "checkpoint-25", 60.0)
    assert [one.step for one in Examiner(made, reader, []).results] == [0, 20]


def test_what_was_validated_is_not_validated_again(made: Plan, reader: Reader) -> None:
    examiner = Examiner(made, reader, [])
    examiner.results.append(START)
    examiner.examine(0, reader.model, keep=None)
    assert examiner.results == [START]
