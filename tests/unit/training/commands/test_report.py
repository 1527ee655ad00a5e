from pathlib import Path

import pytest
from PIL import Image

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.verdict import Verdict
from tests.support.engines import DigestEngine
from training.__main__ import main
from training.commands import report as command
from training.evaluation import evaluate, samples
from training.evaluation.samples import Sample
from training.reports import examples
from training.reports import page as report
from training.reports.examples import Pair, Side
from training.synthetic import scenes

A = Checkpoint(Path("first<b>"), CheckpointCard(), "sha256:1")
B = Checkpoint(Path("second"), CheckpointCard(box_frame="thousand"), "sha256:2")


async def test_two_checkpoints_stand_side_by_side(tmp_path: Path) -> None:
    drawn = samples.of_scenes([scenes.make(scenes.HELD_OUT_SEED + number) for number in range(6)])
    sides = [await side(one, drawn) for one in (A, B)]
    numbers = command.of(*sides, drawn, title="scenes")
    card = Image.new("RGB", (40, 20))
    pairs = [Pair("only_b", 3, Verdict.GENERATED, card, card)]
    report.write(tmp_path, numbers, "comparison.html.jinja", pairs=pairs, kinds=examples.DIFFERENCES)
    page = (tmp_path / report.HTML_NAME).read_text()
    assert "first&lt;b&gt;" in page
    assert "first<b>" not in page
    assert "One revision" not in page
    assert "What holds by construction" in page
    assert [page.count(f"Evidence card of image 3 by {name}, in truth generated") for name in "AB"] == [1, 1]
    assert page.count("No such image.") == 1
    assert numbers["set"] == {"title": "scenes", "images": 6, "real": 3, "generated": 3}
    table = command.table(numbers)
    assert "IoU of the model's boxes" in table
    assert "McNemar, i_acc: only A right on 0, only B on 0; p = 1" in table


async def side(checkpoint: Checkpoint, drawn: list[Sample]) -> Side:
    engine = DigestEngine(checkpoint.card)
    said = (await evaluate.judge(drawn, engine, concurrency=2, passes=evaluate.OWN))["own"]
    return Side(checkpoint, engine, engine.version, said)


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("zoomin-train report: no model in ")
    assert said.err.count("\n") == 1
