"""Compare the stages on the new kinds: each less the checkpoint before it, paired over the same images. Pure."""

from collections.abc import Mapping, Sequence

from training.common import resampling
from training.evaluation.comparison import COMPARED_METRICS
from training.evaluation.metrics import Prediction, estimate_for
from training.evaluation.summary import Json

METRICS = ("acc", "i_acc", "iou_f1", "bleu2")
"""of `COMPARED_METRICS`: what the stages are trained for"""


def compare_stages(predictions: Mapping[str, Sequence[Prediction]]) -> list[Json]:
    """Return a row for each checkpoint: its metrics, and for all but the start what it added to the one before."""
    names = list(predictions)
    return [
        {
            "checkpoint": name,
            "images": len(predictions[name]),
            "metrics": resampling.convert_to_json({metric: _estimate(metric, predictions[name]) for metric in METRICS}),
            "added": _subtract(predictions[names[number - 1]], predictions[name]) if number else None,
        }
        for number, name in enumerate(names)
    ]


def _estimate(metric: str, predictions: Sequence[Prediction]) -> resampling.Metric:
    return estimate_for(predictions, COMPARED_METRICS[metric][1](predictions))


def _subtract(before: Sequence[Prediction], after: Sequence[Prediction]) -> Json:
    differences = {
        metric: estimate_for(
            after,
            resampling.subtract_paired(COMPARED_METRICS[metric][1](after), COMPARED_METRICS[metric][1](before)),
        )
        for metric in METRICS
    }
    return resampling.convert_to_json(differences)


def describe_gains(rows: Sequence[Json]) -> str:
    """Describe the gain in Acc of each stage in a sentence."""
    if not rows:
        return "no test image was labeled since the champion's snapshot, so nothing is measured on the new kinds"
    parts = [
        f"{row['checkpoint']} {acc['value']:+.3f} [{acc['low']:+.3f}, {acc['high']:+.3f}]"
        for row in rows
        if row["added"] and (acc := row["added"]["acc"])["value"] is not None
    ]
    start = rows[0]["metrics"]["acc"]["value"]
    return f"Acc on {rows[0]['images']} new test images: start {start:.3f}, then {', '.join(parts)}"
