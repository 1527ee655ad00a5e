from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.common.resampling import Metric
from training.reports import seed_gains
from training.reports.seed_gains import SeedResult, Stage, ValidatedWeights

WHOLE = dict.fromkeys((*seed_gains.ANSWERS, *seed_gains.PROBABILITIES), Metric(0.9, 0.85, 0.95, 100))
MORE = dict.fromkeys(seed_gains.ANSWERS, Metric(-0.012, -0.03, 0.01, 100))
VALIDATED = [
    ValidatedWeights(step=0, figures={"acc": 0.91, "iou_f1": 0.7}, objections=[]),
    ValidatedWeights(step=20, figures={"acc": 0.88, "iou_f1": 0.6}, objections=["Acc fell", "IoU f1 did not rise"]),
]


def record(seed: int = 0) -> SeedResult:
    return SeedResult(
        seed=seed,
        commit="abc",
        date="2026-01-01",
        images=100,
        stages=[
            Stage(name="sft", kept=True, figures=WHOLE, added={}),
            Stage(name="grpo_1", kept=False, figures=WHOLE, added={}, looked=VALIDATED),
            Stage(name="grpo_2", kept=True, figures=WHOLE, added=MORE, looked=VALIDATED),
            Stage(name="calibrated", kept=True, figures=WHOLE, added={seed_gains.FALLS: Metric(0.02, 0.01, 0.03, 100)}),
        ],
    )


def test_one_entry_a_seed_and_each_knows_how_many_there_are(tmp_path: Path) -> None:
    file = tmp_path / "models" / "seeds.json"
    assert seed_gains.store_seed(file, record(1)).seeds == [1]
    assert seed_gains.store_seed(file, record(0)).seeds == [0, 1]
    again = seed_gains.store_seed(file, record(1).model_copy(update={"commit": "def"}))
    stored = seed_gains.read_seeds(file)
    assert list(stored) == [0, 1]
    assert stored[1] == again
    assert (stored[0].commit, stored[1].commit) == ("abc", "def")
    assert stored[0].stages == record().stages


def test_a_record_that_cannot_be_read_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "seeds.json"
    file.write_text('{"0": {"seed": 0}}')
    with pytest.raises(BadSettings, match=r"seeds.json: 0.commit: Field required; correct it or remove the file"):
        seed_gains.store_seed(file, record())
    assert file.read_text() == '{"0": {"seed": 0}}'


def test_the_card_shows_the_metrics_before_and_after_the_cast() -> None:
    published = VALIDATED[1].model_copy(update={"published": True, "figures": {"acc": 0.89, "iou_f1": 0.61}})
    stage = record().stages[2].model_copy(update={"looked": [*VALIDATED, published]})
    text = seed_gains.render_stages(record().model_copy(update={"stages": [record().stages[0], stage]}))
    assert "GRPO stage 2 kept its last weights." in text
    assert "| metric | start | step 20 | published |" in text
    assert "| Acc: verdict after Query 2 | 0.910 | 0.880 | 0.890 |" in text


def test_the_card_tells_what_was_added_and_what_was_refused() -> None:
    text = seed_gains.render_stages(record().model_copy(update={"seeds": [0, 1]}))
    assert "| metric | fine-tuning | GRPO stage 1 added | GRPO stage 2 added |\n|---|---|---|---|\n" in text
    row = "| Acc: verdict after Query 2 | 0.900 (0.850 to 0.950) | not kept | -0.012 (-0.030 to +0.010) |"
    assert row in text.splitlines()
    measured = record().stages[1].model_copy(update={"added": MORE})
    text_of_both = seed_gains.render_stages(record().model_copy(update={"stages": [record().stages[0], measured]}))
    assert "| -0.012 (-0.030 to +0.010), not kept |" in text_of_both
    refused = text[text.index("GRPO stage 1 kept none") : text.index("GRPO stage 2 kept its best")]
    assert "| metric | start | step 20 |\n|---|---|---|\n" in refused
    assert "| Acc: verdict after Query 2 | 0.910 | 0.880 |" in refused
    assert "| not kept because |  | Acc fell; IoU f1 did not rise |" in refused
    assert "| marked uncertain | 0.900 (0.850 to 0.950) | 0.900 (0.850 to 0.950) |" in text
    assert "| +0.0200 (+0.0100 to +0.0300) |" in text
    assert text.endswith("Seed 0, commit abc, 2026-01-01; seeds on record in models/seeds.json: 0, 1.")
