from dataclasses import replace
from pathlib import Path

from pipeline.checkpoint import Calibration, Checkpoint, CheckpointCard, Scaling
from pipeline.verdict import Verdict
from training.common.resampling import Metric
from training.evaluation import calibration_report


def test_the_report_says_what_changed_and_what_follows() -> None:
    metrics = dict.fromkeys((*calibration_report.REPORTED, "nll_drop"), Metric(0.25, 0.2, 0.3, 500))
    calibration = Calibration(temperature=2.0, bias=-0.5, per_source={"web": Scaling(temperature=1.5)})
    card = CheckpointCard(
        calibration=calibration, scan_calibration=Scaling(temperature=3.0), uncertain_between=(0.2, 0.7), threshold=0.6
    )
    old = Checkpoint(Path("m"), CheckpointCard(), "sha256:aaaaaaaaaaaaaaaa")
    new = Checkpoint(Path("m"), card, "sha256:bbbbbbbbbbbbbbbb")
    text = calibration_report.format_calibration(old, new, metrics, metrics, risk=0.02, needed={})
    for part in (
        "all sources: temperature 2, bias -0.5",
        "web: temperature 1.5, bias +0",
        "Query 1: temperature 3, bias +0",
        "verdict generated: P(generated) from 0.6 on",
        "P(generated) from 0.2000 to 0.7000; beyond it at most 2.0% of the published verdicts are wrong on either side",
        "with 90% confidence for each side by itself",
        "revision sha256:aaaaaaaaaaaa is sha256:bbbbbbbbbbbb now",
        "`zoomin-train evaluate m --write-card` measures again",
    ):
        assert part in text
    assert "sure enough" not in text
    half = replace(new, card=card.model_copy(update={"uncertain_between": (0.2, 1.0), "scan_calibration": None}))
    needed: dict[Verdict, int | None] = {Verdict.REAL: 3000, Verdict.GENERATED: None}
    text = calibration_report.format_calibration(old, half, metrics, metrics, risk=0.02, needed=needed)
    for part in (
        "no verdict real is sure enough for that on so few images: give at least 3000 by --count",
        "no verdict generated is sure enough for that, and more images like these would not help",
        "Query 1: not calibrated",
    ):
        assert part in text
    line = calibration_report.convert_calibration_to_json(new, metrics, metrics, fitted=500, checked=500, needed=needed)
    assert (line["confidence"], line["needed"], line["threshold"]) == (0.9, needed, 0.6)
    assert line["scan_calibration"] == {"temperature": 3.0, "bias": 0.0}
    assert line["calibration"] == calibration.model_dump()
    assert (line["revision"], line["uncertain_between"]) == (new.revision, (0.2, 0.7))
