"""`zoomin-train calibrate`: temperature, bias and uncertain range into a checkpoint's card."""

import argparse
import json
from pathlib import Path

from training.cli import answers, dry_runs
from training.cli.numbers import parse_fraction, parse_positive
from training.settings import TrainSettings

HELP = "fit P(generated) and the uncertain range to validation images, and write both into the checkpoint's card"
EXAMPLE = "zoomin-train calibrate build/tiny --count 1000 --prevalence 0.1 --risk 0.02"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="directory of a Qwen2.5-VL checkpoint")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="directory with manifest.jsonl (default: validation scenes)"
    )
    parser.add_argument(
        "--count",
        type=parse_positive,
        default=1000,
        metavar="N",
        help="images, half of them to check on (default 1000)",
    )
    parser.add_argument(
        "--prevalence",
        type=parse_fraction,
        metavar="P",
        help="share of generated images in the traffic to come (default: the images' own)",
    )
    parser.add_argument(
        "--risk",
        type=parse_fraction,
        default=0.02,
        metavar="R",
        help="largest share of wrong verdicts on either side of the uncertain range, with 90 %% confidence for each "
        "side by itself (default 0.02)",
    )
    parser.add_argument(
        "--threshold",
        type=parse_fraction,
        metavar="T",
        help="calibrated P(generated) from which on the verdict is generated (default: the card's, else 0.5)",
    )
    answers.add_fresh(parser)
    dry_runs.add_planned_gpus(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.dry_run:
        return dry_runs.show_engine(args, settings, writes=[f"{args.model}/zoomin.json"])
    from pipeline.checkpoint import Checkpoint
    from training.dataset import broken
    from training.dataset.left_out import LeftOut
    from training.engine.run import prepare_engine
    from training.evaluation import calibrate, calibration_report, evaluate, jobs, samples
    from training.reports import model_card

    checkpoint = Checkpoint.read(args.model)
    left_out: list[LeftOut] = []
    drawn = samples.load_validation_samples(args.data, args.count, settings.workers, left_out)
    fitted, checked = calibrate.split_in_halves(drawn)
    for half in (fitted, checked):
        calibrate.refuse_too_few([truth.label for truth in half.truths], f"the images of one half of {len(drawn)}")
    halves = [(half, {name: evaluate.Pass()}) for name, half in (("fitted", fitted), ("checked", checked))]
    predictions, _ = jobs.predict_jobs(checkpoint, halves, prepare_engine(checkpoint, settings, fresh=args.fresh))
    start = checkpoint.card.model_copy(update={"threshold": args.threshold or checkpoint.card.threshold})
    promise = {"prevalence": args.prevalence, "risk": args.risk}
    card = calibrate.fit_card(predictions["fitted"], start, **promise)
    needed = calibrate.count_images_needed(predictions["fitted"], card, **promise)
    before, after = calibrate.compare_calibrations(
        predictions["checked"], checkpoint.card, card, prevalence=args.prevalence
    )
    model_card.write_checkpoint_card(checkpoint.path, card)
    written = Checkpoint.read(args.model)
    print(calibration_report.format_calibration(checkpoint, written, before, after, risk=args.risk, needed=needed))
    if left_out:
        print(broken.describe(left_out, str(args.data)))
    if args.json:
        report = calibration_report.convert_calibration_to_json(
            written, before, after, fitted=len(fitted), checked=len(checked), needed=needed
        )
        print(json.dumps(report))
    return 0
