"""The report of a calibration: metrics before and after, the fitted values, and what follows from them."""

from collections.abc import Iterator, Mapping

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from pipeline.verdict import Verdict
from training.common import resampling
from training.common.resampling import Metric
from training.evaluation.summary import MEANINGS, Json
from training.evaluation.uncertain_range import CONFIDENCE

REPORTED = (
    *("acc_published", "ece", "brier", "nll", "auroc"),
    *("coverage_at_1_risk", "coverage_at_2_risk", "uncertain", "acc_certain"),
)


def format_calibration(
    old: Checkpoint,
    new: Checkpoint,
    before: Mapping[str, Metric],
    after: Mapping[str, Metric],
    *,
    risk: float,
    needed: Mapping[Verdict, int | None],
) -> str:
    """Return the report as text; `before` and `after` are metrics of images that the fit did not see.

    `needed` says how many images to give in all before verdicts that are always uncertain can be certain; None: more
    images do not help.
    """
    lines = [f"{'on images that the fit did not see':36} {'before':34} after"]
    lines += [f"{MEANINGS[name]:36} {before[name]!s:34} {after[name]}" for name in REPORTED]
    if "effective_images" in after:
        lines.append(f"{MEANINGS['effective_images']:36} {before['effective_images']!s:34} {after['effective_images']}")
    lines.append(f"{'negative log-likelihood, less by':71} {after['nll_drop']}")
    lines += _describe_scalings(new.card)
    uncertain = new.card.uncertain_between
    bounds = f"P(generated) from {uncertain[0]:.4f} to {uncertain[1]:.4f}" if uncertain else "nothing"
    lines += [
        f"verdict generated: P(generated) from {new.card.threshold:g} on",
        f"uncertain: {bounds}; beyond it at most {risk:.1%} of the published verdicts are wrong on either side, "
        f"with {CONFIDENCE:.0%} confidence for each side by itself ({2 * CONFIDENCE - 1:.0%} or more for both at once)",
    ]
    lines += [_describe_need(verdict, images) for verdict, images in needed.items()]
    lines += [
        f"{new.path / CARD_NAME}: revision {old.revision[:19]} is {new.revision[:19]} now, so verdicts get new ids;",
        f"its metrics are those of before: `zoomin-train evaluate {new.path} --write-card` measures again",
    ]
    return "\n".join(lines)


def _describe_scalings(card: CheckpointCard) -> Iterator[str]:
    calibration, scan = card.calibration, card.scan_calibration
    assert calibration is not None, "it was just written"
    for source, scaling in {"all sources": calibration, **calibration.per_source}.items():
        yield f"{source}: temperature {scaling.temperature:.4g}, bias {scaling.bias:+.4g}"
    if scan:
        yield f"Query 1: temperature {scan.temperature:.4g}, bias {scan.bias:+.4g}"
    else:
        yield "Query 1: not calibrated, its P(generated) does not rise with the share of generated images"


def _describe_need(verdict: Verdict, images: int | None) -> str:
    most = f"no verdict {verdict} is sure enough for that"
    if images is None:
        return f"{most}, and more images like these would not help: train the model further, or give a higher --risk"
    return f"{most} on so few images: give at least {images} by --count and --data, or a higher --risk"


def convert_calibration_to_json(
    new: Checkpoint,
    before: Mapping[str, Metric],
    after: Mapping[str, Metric],
    *,
    fitted: int,
    checked: int,
    needed: Mapping[Verdict, int | None],
) -> Json:
    """Return the report for programs; `fitted` and `checked` are numbers of images, `needed` as in the text."""
    card = new.card
    return {
        "calibration": card.calibration.model_dump() if card.calibration else None,
        "scan_calibration": card.scan_calibration.model_dump() if card.scan_calibration else None,
        "threshold": card.threshold,
        "uncertain_between": card.uncertain_between,
        "confidence": CONFIDENCE,
        "needed": dict(needed),
        "fitted": fitted,
        "checked": checked,
        "before": resampling.convert_to_json(before),
        "after": resampling.convert_to_json(after),
        "revision": new.revision,
    }
