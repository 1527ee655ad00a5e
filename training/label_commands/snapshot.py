"""`zoomin-train snapshot`: an immutable labeled set of the labeling bucket, named by its digest."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from training.cli.numbers import parse_positive, parse_share
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.snapshot.summary import SnapshotSummary

HELP = "make an immutable set of the labels so far, named by its digest"
EXAMPLE = "zoomin-train snapshot s3://zoomin-labels --base build/magnifake --out s3://zoomin-sets/night"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bucket", nargs="?", metavar="s3://BUCKET", help="the labeling bucket")
    parser.add_argument(
        "--base", type=Path, metavar="SET", help="a set that `zoomin-train build` made, which is mixed with the labels"
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="PLACE",
        help="s3://bucket/name or a directory; a place holds many snapshots, and each image once",
    )
    parser.add_argument(
        "--base-share",
        type=parse_share,
        default=0.5,
        metavar="F",
        help="share of the base in each split (default 0.5); fewer images if the base has fewer",
    )
    parser.add_argument(
        "--golden-fraction",
        type=parse_share,
        metavar="F",
        help="share of the control sample that becomes test images for ever (default: the predecessor's, else 0.2)",
    )
    parser.add_argument(
        "--predecessor",
        metavar="DIGEST",
        help="the snapshot of this place whose splits and readings go on (default: the newest), or none",
    )
    parser.add_argument(
        "--least", type=parse_positive, default=20, metavar="N", help="images of each class to train on (default 20)"
    )
    parser.add_argument(
        "--fetch", metavar="SNAPSHOT", help="instead: copy s3://bucket/name/DIGEST into the directory --out, checked"
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group("S3", "ZOOMIN_TRAIN_S3_ENDPOINT_URL, ZOOMIN_TRAIN_S3_REGION; credentials AWS_*.")


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.fetch:
        return _fetch(args, settings)
    from training.labeling.bucket import open_labeling_bucket
    from training.snapshot.place import open_place
    from training.snapshot.snapshot import SnapshotPlan, make_snapshot

    if args.bucket is None or args.base is None:
        raise BadSettings(f"the labeling bucket and --base are needed: {EXAMPLE}")
    plan = SnapshotPlan(args.base, args.base_share, args.golden_fraction, args.predecessor, args.least)
    with open_labeling_bucket(args.bucket, settings) as bucket, open_place(args.out, settings) as place:
        snapshot = make_snapshot(bucket, place, plan, settings.cache_directory)
        path = place.locate(snapshot.summary.digest)
    state = "there already" if snapshot.was_there else f"{snapshot.images_stored} images stored"
    print(f"{_describe(snapshot.summary)}\n{snapshot.cases_read} cases read, {state}\n{path}")
    if args.json:
        news = {"cases_read": snapshot.cases_read, "images_stored": snapshot.images_stored}
        print(json.dumps({**snapshot.summary.model_dump(), **news, "was_there": snapshot.was_there, "path": path}))
    return 0


def _fetch(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.snapshot.fetch import fetch_snapshot
    from training.snapshot.place import open_place

    name, _, digest = args.fetch.rstrip("/").rpartition("/")
    if not name or args.out.startswith("s3://"):
        raise BadSettings(
            "a snapshot is fetched from s3://bucket/name/DIGEST into a directory: "
            "zoomin-train snapshot --fetch s3://bucket/name/DIGEST --out DIR"
        )
    with open_place(name, settings) as source:
        fetched = fetch_snapshot(source, digest, Path(args.out))
    path = Path(args.out) / digest
    print(f"{_describe(fetched.summary)}\n{fetched.images_fetched} images fetched\n{path}")
    if args.json:
        print(json.dumps({**fetched.summary.model_dump(), "path": str(path)}))
    return 0


def _describe(summary: "SnapshotSummary") -> str:
    """Describe a snapshot in a few lines: its size, its splits, and what was left out of it."""
    lines = [f"snapshot {summary.digest}: {summary.images} images, {summary.cases} of them labeled cases"]
    for split, counts in summary.by_split.items():
        lines.append(f"  {split}: {', '.join(f'{count} {label}' for label, count in counts.items())}")
    if summary.left_out:
        lines.append(f"  left out: {', '.join(f'{count} {reason}' for reason, count in summary.left_out.items())}")
    return "\n".join(lines)
