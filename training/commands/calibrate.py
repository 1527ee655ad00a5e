"""`zoomin-train calibrate`: temperature, bias and uncertain range into a checkpoint's card."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.checkpoint import CARD_NAME
from training.cli.numbers import fraction, positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.checkpoint import Checkpoint
    from training.common.resampling import Metric

HELP = "fit P(generated) and the uncertain range to validation images, and write both into the checkpoint's card"
EXAMPLE = "zoomin-train calibrate build/tiny --count 1000 --prevalence 0.1 --risk 0.02"
SHOWN = ("ece", "brier", "nll", "auroc", "coverage_at_1_risk", "coverage_at_2_risk", "uncertain", "acc_certain")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: validation scenes)"
    )
    parser.add_argument(
        "--count", type=positive, default=1000, metavar="N", help="images, half of them to check on (default 1000)"
    )
    parser.add_argument(
        "--prevalence",
        type=fraction,
        metavar="P",
        help="share of generated images in the traffic to come (default: the images' own)",
    )
    parser.add_argument(
        "--risk",
        type=fraction,
        default=0.02,
        metavar="R",
        help="share of wrong verdicts among those not marked uncertain (default 0.02)",
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import Checkpoint
    from training.commands.evaluate import judge
    from training.dataset.tuples import Split
    from training.evaluation import calibrate, evaluate, samples
    from training.reports import model_card

    checkpoint = Checkpoint.read(args.model)
    if args.data:
        drawn = samples.from_directory(args.data, args.count, split=Split.VALIDATION)
    else:
        drawn = samples.held_out(args.count, settings.workers, first_seed=samples.VALIDATION_SEED)
    fitted, checked = calibrate.halves(drawn)
    for half in (fitted, checked):
        calibrate.refuse_unfit([sample.label for sample in half], f"the images of one half of {len(drawn)}")
    jobs = [(half, {name: evaluate.Pass()}) for name, half in (("fitted", fitted), ("checked", checked))]
    judged, _ = judge(checkpoint, jobs, settings.concurrency)
    card = calibrate.fit(judged["fitted"], checkpoint.card, prevalence=args.prevalence, risk=args.risk)
    before, after = calibrate.compare(judged["checked"], checkpoint.card, card, prevalence=args.prevalence)
    model_card.write_card(checkpoint.path, card)
    written = Checkpoint.read(args.model)
    print(report(checkpoint, written, before, after, risk=args.risk))
    if args.json:
        print(json.dumps(as_json(written, before, after, fitted=len(fitted), checked=len(checked))))
    return 0


def report(
    old: "Checkpoint", new: "Checkpoint", before: "Mapping[str, Metric]", after: "Mapping[str, Metric]", *, risk: float
) -> str:
    """For people: what changed on images that the fit did not see, what is on the card now, and what follows."""
    from training.evaluation.summary import MEANINGS

    calibration, between = new.card.calibration, new.card.uncertain_between
    assert calibration is not None, "it was just written"
    lines = [f"{'on images that the fit did not see':36} {'before':34} after"]
    lines += [f"{MEANINGS[name]:36} {before[name]!s:34} {after[name]}" for name in SHOWN]
    lines.append(f"{'negative log-likelihood, less by':71} {after['nll_drop']}")
    for source, scaling in {"all sources": calibration, **calibration.per_source}.items():
        lines.append(f"{source}: temperature {scaling.temperature:.4g}, bias {scaling.bias:+.4g}")
    uncertain = f"P(generated) from {between[0]:.4f} to {between[1]:.4f}" if between else "nothing"
    lines.append(f"uncertain: {uncertain}; beyond it at most {risk:.1%} of verdicts are to be wrong, on either side")
    for verdict, end in (("real", 0.0), ("generated", 1.0)):
        if between and end in between:
            lines.append(f"no verdict {verdict} is sure enough for that: give more by --count, or a higher --risk")
    lines += [
        f"{new.path / CARD_NAME}: revision {old.revision[:19]} is {new.revision[:19]} now, so verdicts get new ids;",
        f"its metrics are those of before: `zoomin-train evaluate {new.path} --write-card` measures again",
    ]
    return "\n".join(lines)


def as_json(
    new: "Checkpoint", before: "Mapping[str, Metric]", after: "Mapping[str, Metric]", *, fitted: int, checked: int
) -> dict[str, object]:
    """The same for machines."""
    from training.common import resampling

    return {
        "calibration": new.card.calibration.model_dump() if new.card.calibration else None,
        "uncertain_between": new.card.uncertain_between,
        "fitted": fitted,
        "checked": checked,
        "before": resampling.convert_to_json(before),
        "after": resampling.convert_to_json(after),
        "revision": new.revision,
    }
