from pathlib import Path

from PIL import Image

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.verdict import Verdict
from tests.support.engines import DigestEngine
from training.dataset.left_out import LeftOut
from training.evaluation import evaluate, samples
from training.evaluation.samples import Sample
from training.reports import comparison_report, examples, page
from training.reports.examples import CardPair, ComparedModel
from training.synthetic import scenes

A = Checkpoint(Path("first<b>"), CheckpointCard(), "sha256:1")
B = Checkpoint(Path("second"), CheckpointCard(box_frame="thousand"), "sha256:2")


async def test_two_checkpoints_stand_side_by_side(tmp_path: Path) -> None:
    drawn = samples.convert_scenes([scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(6)])
    a, b = [await compare_model(checkpoint, drawn) for checkpoint in (A, B)]
    numbers = comparison_report.build_comparison(a, b, [LeftOut("cut.png", "image_undecodable")], title="scenes")
    card = Image.new("RGB", (40, 20))
    pairs = [CardPair("only_b", 3, Verdict.GENERATED, card, card)]
    page.write_report(tmp_path, numbers, "comparison.html.jinja", pairs=pairs, kinds=examples.DIFFERENCES)
    html = (tmp_path / page.HTML_NAME).read_text()
    assert "first&lt;b&gt;" in html
    assert "first<b>" not in html
    assert "One revision" not in html
    assert "What holds by construction" in html
    assert [html.count(f"Evidence card of image 3 by {name}, in truth generated") for name in "AB"] == [1, 1]
    assert html.count("No such image.") == 1
    assert "1 more cannot be read and are left out for both" in html
    assert numbers["set"] == {"title": "scenes", "images": 6, "real": 3, "generated": 3}
    table = comparison_report.format_comparison(numbers)
    assert "IoU of the model's boxes" in table
    assert "McNemar, i_acc: only A right on 0, only B on 0; p = 1" in table


async def compare_model(checkpoint: Checkpoint, drawn: list[Sample]) -> ComparedModel:
    engine = DigestEngine(checkpoint.card)
    predictions = (await evaluate.predict(drawn, engine, concurrency=2, passes=evaluate.OWN))["own"]
    return ComparedModel(checkpoint, engine, engine.version, predictions)
