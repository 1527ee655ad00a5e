"""`zoomin-train build`: MagniFake from labeled images."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from training.cli import dry_runs
from training.cli.numbers import parse_natural, parse_positive
from training.dataset.placement import FULL_MAX_PIXELS, Frame
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.annotation.build import BuildPlan

HELP = "build MagniFake: labeled images in, tuples with explanation and boxes out"
EXAMPLE = "zoomin-train build ~/labeled --out build/magnifake"
MATCHED, OWN = "matched", "own"
BUCKET = "s3://"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="directory with folders real and generated (or nature and ai, 0_real and 1_fake; a folder above them "
        "names the images' source, for calibration), or with manifest.jsonl; or s3://bucket, the labeling "
        "bucket, whose agreed cases are taken",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the finished set; run again to go on")
    parser.add_argument("--labels-only", action="store_true", help="ask no endpoint: labels and what SOURCE gives")
    _add_frame(parser)
    parser.add_argument("--seed", type=parse_natural, default=0, metavar="S", help="seed of the splits (default 0)")
    parser.add_argument(
        "--least", type=parse_positive, default=20, metavar="N", help="images that each class needs (default 20)"
    )
    dry_runs.add_dry_run(parser)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group(
        "endpoints",
        "Who explains images and who finds boxes: ZOOMIN_TRAIN_EXPLAIN_URL, _KEY, _MODEL, _USD_PER_MILLION, and the "
        "same with GROUND; ZOOMIN_TRAIN_GROUND_BOX_FRAME, _ENDPOINT_TIMEOUT_S, _ENDPOINT_ATTEMPTS, _CONCURRENCY. The "
        "labeling bucket's S3: ZOOMIN_TRAIN_S3_ENDPOINT_URL, _S3_REGION.",
    )


def _add_frame(parser: argparse.ArgumentParser) -> None:
    """Add what decides on the pixels of the set and on the files that it leaves out."""
    parser.add_argument(
        "--frame",
        choices=get_args(Frame),
        default="full",
        help="full (default): whole images, as they are served; 512: the centre square, as in the paper",
    )
    parser.add_argument(
        "--sizes",
        choices=(MATCHED, OWN),
        default=MATCHED,
        help="matched (default): both classes are brought to the same sizes first, so that no detector learns which "
        "pictures were enlarged; own: as they come, as in the paper",
    )
    parser.add_argument(
        "--max-pixels",
        type=parse_positive,
        default=FULL_MAX_PIXELS,
        metavar="N",
        help=f"largest area with --frame full (default {FULL_MAX_PIXELS:,}); a file has three bytes for each pixel",
    )
    parser.add_argument("--keep-repaired", action="store_true", help="take broken files too, as viewers show them")
    parser.add_argument(
        "--accept-leak", action="store_true", help="with --sizes own: use a set whose sizes tell its classes apart"
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.annotation import build as magnifake
    from training.annotation import dataset_card

    plan = _read_plan(args, settings)
    if args.dry_run:
        from training.dry_run import build_verb

        cases = args.source if args.source.startswith(BUCKET) else None
        return dry_runs.show_steps(
            [build_verb.plan_build(plan, dry_runs.list_words(args), bucket=cases)], as_json=args.json
        )
    built = magnifake.build(plan)
    card = dataset_card.build_dataset_card(args.out, built, workers=settings.workers)
    dataset_card.write_dataset_card(args.out, card, built.images)
    print(args.out / dataset_card.README_NAME)
    if args.json:
        print(json.dumps(card.convert_to_json()))
    card.leaks.refuse(accepted=args.accept_leak)
    if card.leaks.warning:
        print(card.leaks.warning, file=sys.stderr)
    return 0


def _read_plan(args: argparse.Namespace, settings: TrainSettings) -> "BuildPlan":
    """Read the options; the cases of a labeling bucket are downloaded first, except by a dry run."""
    from training.annotation.build import BuildPlan
    from training.cli import endpoints
    from training.dataset.frame import FrameOptions
    from training.labeling.bucket import open_labeling_bucket
    from training.labeling.download import download_cases

    explain, ground = (None, None) if args.labels_only else endpoints.read_endpoints(settings)
    source = Path(args.source)
    if args.source.startswith(BUCKET) and not args.dry_run:
        with open_labeling_bucket(args.source, settings) as bucket:
            source = download_cases(bucket, args.out / "cases")  # within the set: a second build need not fetch
    return BuildPlan(
        source=source,
        out=args.out,
        explain=explain,
        ground=ground,
        labels_only=args.labels_only,
        framing=FrameOptions(args.frame, args.sizes == MATCHED, args.max_pixels, args.keep_repaired),
        box_frame=settings.ground_box_frame,
        seed=args.seed,
        least_per_class=args.least,
        workers=settings.workers,
        concurrency=settings.concurrency,
    )
