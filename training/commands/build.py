"""`zoomin-train build`: MagniFake from labeled images."""

import argparse
import json
from pathlib import Path

from training.cli.numbers import parse_natural, parse_positive
from training.settings import TrainSettings

HELP = "build MagniFake: labeled images in, tuples with explanation and boxes out"
EXAMPLE = "zoomin-train build ~/labeled --out build/magnifake"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="directory with folders real and generated (or nature and ai, 0_real and 1_fake; a folder above them "
        "names the images' source, for calibration), or with manifest.jsonl; or s3://bucket, the labeling "
        "bucket, whose labeled cases are taken",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the finished set; run again to go on")
    parser.add_argument("--labels-only", action="store_true", help="ask no endpoint: labels and what SOURCE gives")
    parser.add_argument("--seed", type=parse_natural, default=0, metavar="S", help="of the splits (default 0)")
    parser.add_argument(
        "--least", type=parse_positive, default=20, metavar="N", help="images that each class needs (default 20)"
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group(
        "endpoints",
        "Who explains images and who finds boxes: ZOOMIN_TRAIN_EXPLAIN_URL, _KEY, _MODEL, _USD_PER_MILLION, and the "
        "same with GROUND; ZOOMIN_TRAIN_GROUND_BOX_FRAME, _ENDPOINT_TIMEOUT_S, _ENDPOINT_ATTEMPTS, _CONCURRENCY. The "
        "labeling bucket's S3: ZOOMIN_TRAIN_S3_ENDPOINT_URL, _S3_REGION.",
    )


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.annotation import build as magnifake
    from training.annotation import dataset_card
    from training.cli import endpoints
    from training.labeling import bucket

    explain, ground = (None, None) if args.labels_only else endpoints.read_endpoints(settings)
    source = Path(args.source)
    if args.source.startswith("s3://"):
        name = args.source.removeprefix("s3://").strip("/")
        place = bucket.LabelingBucket(name, settings.s3_endpoint_url, settings.s3_region)
        source = bucket.download_cases(place, args.out / "cases")  # within the set: a second build need not fetch
    plan = magnifake.BuildPlan(
        source=source,
        out=args.out,
        explain=explain,
        ground=ground,
        labels_only=args.labels_only,
        box_frame=settings.ground_box_frame,
        seed=args.seed,
        least_per_class=args.least,
        workers=settings.workers,
        concurrency=settings.concurrency,
    )
    built = magnifake.build(plan)
    card = dataset_card.build_dataset_card(args.out, built)
    dataset_card.write_dataset_card(args.out, card, built.images)
    print(args.out / dataset_card.README_NAME)
    if args.json:
        print(json.dumps(card.convert_to_json()))
    card.refuse_leak()
    return 0
