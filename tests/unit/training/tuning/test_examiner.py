import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.training.tuning.test_grpo_run import plan
from training.tuning import grpo_run, resuming
from training.tuning.examiner import Examiner
from training.tuning.greedy import Reader
from training.tuning.grpo_plan import Plan
from training.tuning.validation import Result

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


def test_weights_stay_until_others_have_been_better_twice(made: Plan, reader: Reader) -> None:
    examiner = Examiner(made, reader, [])
    for step, before in ((10, 0), (20, 10), (30, 20)):
        examiner._keep(step, before, Path.mkdir)
        assert {path.name for path in made.record.iterdir()} >= {f"weights-{step}"}
    assert {path.name for path in made.record.iterdir()} == {"weights-20", "weights-30"}


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
