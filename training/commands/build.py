"""`zoomin-train build`: MagniFake from labeled images."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from training.cli.numbers import natural, positive
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.annotation.endpoint import Endpoint

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
    parser.add_argument("--seed", type=natural, default=0, metavar="S", help="of the splits (default 0)")
    parser.add_argument(
        "--least", type=positive, default=20, metavar="N", help="images that each class needs (default 20)"
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

    explain, ground = (None, None) if args.labels_only else endpoints(settings)
    plan = magnifake.Plan(
        source=_source(args.source, args.out, settings),
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
    card = dataset_card.of(args.out, built)
    dataset_card.write(args.out, card, built.tuples)
    print(args.out / dataset_card.README_NAME)
    if args.json:
        print(json.dumps(card.as_json()))
    card.refuse_leak()
    return 0


def _source(named: str, out: Path, settings: TrainSettings) -> Path:
    """The directory of images; that of a labeling bucket lies within the set, so that a second build need not fetch."""
    if not named.startswith("s3://"):
        return Path(named)
    from training.labeling import bucket

    place = bucket.LabelingBucket(named.removeprefix("s3://").strip("/"), settings.s3_endpoint_url, settings.s3_region)
    return bucket.bring(place, out / "cases")


def endpoints(settings: TrainSettings) -> "tuple[Endpoint | None, Endpoint | None]":
    """Who explains and who grounds; None where the settings name no address.

    Raises: BadSettings for what is no address, or one without a model.
    """
    from pipeline.errors import BadSettings
    from training.annotation.endpoint import Endpoint

    found: list[Endpoint | None] = []
    for role, url, key, model, price in (
        (
            "explain",
            settings.explain_url,
            settings.explain_key,
            settings.explain_model,
            settings.explain_usd_per_million,
        ),
        ("ground", settings.ground_url, settings.ground_key, settings.ground_model, settings.ground_usd_per_million),
    ):
        if url and not model:
            raise BadSettings(f"ZOOMIN_TRAIN_{role.upper()}_URL is set and names no model: set _MODEL too")
        if url and not _is_address(url):
            raise BadSettings(f"ZOOMIN_TRAIN_{role.upper()}_URL is {url!r}, which is no address: https://host/v1")
        endpoint = Endpoint(role, url, key, model, price, settings.endpoint_timeout_s, settings.endpoint_attempts)
        found.append(endpoint if url else None)
    return found[0], found[1]


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
