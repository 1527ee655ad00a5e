"""The report of a calibration: metrics before and after, the fitted values, and what follows from them."""

from collections.abc import Mapping

from pipeline.checkpoint import CARD_NAME, Checkpoint
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation.summary import MEANINGS, Json

REPORTED = ("ece", "brier", "nll", "auroc", "coverage_at_1_risk", "coverage_at_2_risk", "uncertain", "acc_certain")


def format_calibration(
    old: Checkpoint, new: Checkpoint, before: Mapping[str, Metric], after: Mapping[str, Metric], *, risk: float
) -> str:
    """Return the report as text; `before` and `after` are metrics of images that the fit did not see."""
    calibration, uncertain = new.card.calibration, new.card.uncertain_between
    assert calibration is not None, "it was just written"
    lines = [f"{'on images that the fit did not see':36} {'before':34} after"]
    lines += [f"{MEANINGS[name]:36} {before[name]!s:34} {after[name]}" for name in REPORTED]
    lines.append(f"{'negative log-likelihood, less by':71} {after['nll_drop']}")
    for source, scaling in {"all sources": calibration, **calibration.per_source}.items():
        lines.append(f"{source}: temperature {scaling.temperature:.4g}, bias {scaling.bias:+.4g}")
    bounds = f"P(generated) from {uncertain[0]:.4f} to {uncertain[1]:.4f}" if uncertain else "nothing"
    lines.append(f"uncertain: {bounds}; beyond it at most {risk:.1%} of verdicts are to be wrong, on either side")
    for verdict, end in (("real", 0.0), ("generated", 1.0)):
        if uncertain and end in uncertain:
            lines.append(f"no verdict {verdict} is sure enough for that: give more by --count, or a higher --risk")
    lines += [
        f"{new.path / CARD_NAME}: revision {old.revision[:19]} is {new.revision[:19]} now, so verdicts get new ids;",
        f"its metrics are those of before: `zoomin-train evaluate {new.path} --write-card` measures again",
    ]
    return "\n".join(lines)


def convert_calibration_to_json(
    new: Checkpoint, before: Mapping[str, Metric], after: Mapping[str, Metric], *, fitted: int, checked: int
) -> Json:
    """Return the report for programs; `fitted` and `checked` are numbers of images."""
    return {
        "calibration": new.card.calibration.model_dump() if new.card.calibration else None,
        "uncertain_between": new.card.uncertain_between,
        "fitted": fitted,
        "checked": checked,
        "before": resampling.convert_to_json(before),
        "after": resampling.convert_to_json(after),
        "revision": new.revision,
    }
