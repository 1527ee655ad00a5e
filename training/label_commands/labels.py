"""`zoomin-train labels`: cases to annotators, their labels back, and where labeling stands."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings, ZoomInError
from pipeline.wire.labels import SampleReason
from training.cli.numbers import parse_natural
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.label_studio.client import LabelStudio
    from training.labeling.bucket import LabelingBucket

HELP = "send cases of the labeling bucket to annotators, fetch their labels, and show where labeling stands"
EXAMPLE = "zoomin-train labels push s3://labels --quota control=200"
MEANINGS = {
    "push": "send pending cases to Label Studio; run again, it goes on where a killed one stopped",
    "pull": "fetch what annotators submitted, as labels of the bucket; may run every minute",
    "status": "show the queue by reason and age, the annotators, and how well they agree",
    "forget": "delete an image everywhere and keep it from coming back; run again, it finishes what was ended",
}
EXAMPLES = {
    "push": EXAMPLE,
    "pull": "zoomin-train labels pull s3://labels",
    "status": "zoomin-train labels status s3://labels",
    "forget": "zoomin-train labels forget s3://labels --event post-81726 --set build/labeled --dry-run",
}
SHOWN_REFUSALS = 20
REASONS = ", ".join(SampleReason)


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="labels", required=True, metavar="VERB")
    push = _add_verb(verbs, "push")
    push.set_defaults(run_verb=_push)
    push.add_argument(
        "--reason", action="append", choices=list(SampleReason), metavar="R", help=f"only cases of these: {REASONS}"
    )
    push.add_argument("--limit", type=parse_natural, metavar="N", help="send at most N; control cases come first")
    push.add_argument(
        "--quota",
        action="append",
        type=_parse_quota,
        default=[],
        metavar="R=N",
        help="have at most N cases of this reason open in Label Studio: control=200",
    )
    pull = _add_verb(verbs, "pull")
    pull.set_defaults(run_verb=_pull)
    pull.add_argument("--all", action="store_true", help="read every task, not only what changed since the last pull")
    _add_verb(verbs, "status").set_defaults(run_verb=_show_status)
    _add_forget(verbs)


def _add_forget(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    forget = _add_verb(verbs, "forget")
    forget.set_defaults(run_verb=_forget)
    image = forget.add_argument_group("images", "at least one, each as often as needed")
    image.add_argument("--event", action="append", default=[], metavar="ID", help="of the event that brought it")
    image.add_argument("--object", action="append", default=[], type=_parse_object, metavar="s3://BUCKET/KEY")
    image.add_argument("--sha256", action="append", default=[], type=_parse_digest, metavar="HEX", help="of its file")
    image.add_argument(
        "--deleted", action="store_true", help="all that have a tombstone: what `zoomin collect` deleted is finished"
    )
    places = forget.add_argument_group(
        "places", "besides the bucket, and Label Studio if ZOOMIN_TRAIN_LABELS_URL is set"
    )
    places.add_argument("--set", action="append", default=[], type=Path, metavar="DIR", help="a set that loses it")
    places.add_argument(
        "--snapshots", action="append", default=[], metavar="PLACE", help="name the snapshots here that have it"
    )
    places.add_argument(
        "--models", action="append", default=[], type=Path, metavar="DIR", help="name the checkpoints below that saw it"
    )
    places.add_argument(
        "--answers",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="answers of models besides those in the cache: the folder `answers` of a report or a run",
    )
    places.add_argument(
        "--label-studio-data", type=Path, metavar="DIR", help="data directory of Label Studio, for files of its exports"
    )
    forget.add_argument("--dry-run", action="store_true", help="only show what would be deleted")


def _add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> argparse.ArgumentParser:
    meaning = MEANINGS[name]
    parser = verbs.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}.",
        epilog=f"Example: {EXAMPLES[name]}",
        allow_abbrev=False,
    )
    parser.add_argument("bucket", metavar="BUCKET", help="the labeling bucket: s3://bucket")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return parser


def _parse_quota(text: str) -> tuple[str, int]:
    reason, _, number = text.partition("=")
    if reason not in list(SampleReason) or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no quota: write REASON=N, with a reason of {REASONS}")
    return reason, int(number)


def _parse_object(text: str) -> tuple[str, str]:
    bucket, _, key = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket or not key:
        raise argparse.ArgumentTypeError(f"{text} names no object: it is written s3://bucket/key")
    return bucket, key


def _parse_digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text} is no sha256: it has 64 hexadecimal digits")
    return text.lower()


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    return int(args.run_verb(args, settings))


@contextmanager
def _open_both(
    args: argparse.Namespace, settings: TrainSettings, show: Callable[[str | None], None]
) -> "Iterator[tuple[LabelStudio, LabelingBucket]]":
    """Open Label Studio and the bucket; at the end `show` gets the error that ended the block early, or None."""
    from training.label_studio.project import open_label_studio
    from training.labeling.bucket import open_labeling_bucket

    problem = None
    try:
        with open_label_studio(settings) as client, open_labeling_bucket(args.bucket, settings) as bucket:
            yield client, bucket
    except ZoomInError as error:
        problem = error.detail
        raise
    finally:
        show(problem)


def _show_transfer(problems: Iterable[str], counts: str) -> None:
    for line in problems:
        _notify(line)
    print(counts, flush=True)


def _push(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.label_studio.push import PushResult, push_cases
    from training.label_studio.queue import PushPolicy
    from training.label_studio.transfer_report import convert_push, describe_push, list_problems

    policy = PushPolicy(frozenset(args.reason) if args.reason else None, args.limit, dict(args.quota))
    result = PushResult()

    def show(problem: str | None) -> None:
        _show_transfer(
            list_problems(result), json.dumps(convert_push(result, problem)) if args.json else describe_push(result)
        )

    with _open_both(args, settings, show) as (client, bucket):
        push_cases(bucket, client, settings, policy, result, _notify)
    return 0


def _pull(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.label_studio.pull import PullResult, pull_labels
    from training.label_studio.transfer_report import convert_pull, describe_pull, list_problems

    result = PullResult()

    def show(problem: str | None) -> None:
        _show_transfer(
            list_problems(result), json.dumps(convert_pull(result, problem)) if args.json else describe_pull(result)
        )

    with _open_both(args, settings, show) as (client, bucket):
        pull_labels(bucket, client, settings.labels_project, result, everything=args.all)
    return 0


def _show_status(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.label_studio.marks import read_marks
    from training.label_studio.status import count_status
    from training.label_studio.status_report import build_console, convert_status, print_status
    from training.labeling.bucket import open_labeling_bucket
    from training.labeling.cases import index_cases, read_cases

    with open_labeling_bucket(args.bucket, settings) as bucket:
        status = count_status(read_cases(bucket, index_cases(bucket)), bucket.list_tombstones(), read_marks(bucket))
    now = datetime.now(UTC)
    if args.json:
        print(json.dumps(convert_status(status, now=now)))
    else:
        print_status(status, build_console(), now=now)
    return 0


def _forget(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.labeling.case_search import Selection
    from training.erasure.forget import ForgetPlaces, ForgetResult, forget_images
    from training.erasure.report import convert_result, describe_result
    from training.label_studio.project import open_label_studio
    from training.labeling.bucket import open_labeling_bucket

    if not (args.event or args.object or args.sha256 or args.deleted):
        raise BadSettings("name an image: --event, --object, --sha256, or --deleted for all that have a tombstone")
    places = ForgetPlaces(
        sets=tuple(args.set),
        snapshots=tuple(args.snapshots),
        models=tuple(args.models),
        answers=tuple(args.answers),
        label_studio_data=args.label_studio_data,
    )
    result, problem, ended_early = ForgetResult(), None, True
    try:
        with ExitStack() as opened:
            bucket = opened.enter_context(open_labeling_bucket(args.bucket, settings))
            client = opened.enter_context(open_label_studio(settings)) if settings.labels_url else None
            sha256s = frozenset(args.sha256) | (bucket.list_tombstones() if args.deleted else frozenset())
            selection = Selection(frozenset(args.event), frozenset(args.object), sha256s)
            forget_images(bucket, selection, places, client, settings, result, dry_run=args.dry_run)
        ended_early = False
    except ZoomInError as error:
        problem = error.detail
        raise
    finally:
        if args.json:
            print(json.dumps(convert_result(result, problem)), flush=True)
        else:
            lines = describe_result(result, dry_run=args.dry_run, ended_early=ended_early)
            print(*lines, sep="\n", flush=True)
    _name_unsearched(args, settings)
    for key in result.unreadable[:SHOWN_REFUSALS]:
        _notify(f"no case, so nobody can say whose image it holds: {key}")
    return 1 if result.unreadable else 0


def _name_unsearched(args: argparse.Namespace, settings: TrainSettings) -> None:
    if not settings.labels_url:
        _notify("ZOOMIN_TRAIN_LABELS_URL is not set: tasks of Label Studio were not looked for")
    elif args.label_studio_data is None:
        _notify("files of Label Studio's own export outlive its tasks: name its data directory, or delete them there")


def _notify(text: str) -> None:
    print(f"zoomin-train labels: {text}", file=sys.stderr, flush=True)
