"""`zoomin up`: run the local stack alone, for running worker, submit and tail by hand."""

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from mimetypes import guess_type
from pathlib import Path

from pipeline.errors import BadSettings
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES
from worker.local.stack import LocalStack

NAME = "up"
HELP = "run a local Kafka and S3 in the foreground; prints the variables by which the other commands find them"

_PARTITIONS = 6
_TOPICS = {
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.verdicts",
    "ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.images.dlt",
    "ZOOMIN_KAFKA__REVIEW_TOPIC": "zoomin.reviews",
    "ZOOMIN_KAFKA__REVIEW_DEAD_LETTER_TOPIC": "zoomin.reviews.dlt",
    "ZOOMIN_KAFKA__DELETION_TOPIC": "zoomin.deletions",
}
_IMAGE_BUCKET = "zoomin-images"
_LABEL_BUCKET = "zoomin-labels"
_CHECK_INTERVAL_S = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kafka-port", type=_parse_port, default=0, metavar="PORT", help="default: any free one")
    parser.add_argument("--s3-port", type=_parse_port, default=0, metavar="PORT", help="default: any free one")
    parser.add_argument("--label-studio", action="store_true", help="also a real Label Studio, to label sampled cases")
    parser.add_argument(
        "--label-studio-port", type=_parse_port, default=0, metavar="PORT", help="default: any free one"
    )
    parser.add_argument("--dir", type=Path, help="keep data, ports and logs here; default: gone at the end")
    parser.add_argument("--images", type=Path, metavar="DIR", help="put the images below DIR into the image bucket")
    parser.add_argument("--json", action="store_true", help="the variables as one object, for programs")
    parser.epilog = (
        "example, in two terminals:\n"
        "  mkdir -p build && zoomin up --images ~/Pictures > build/local.env\n"
        "  source build/local.env && zoomin check --connect"
    )


def run(args: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # each of them stops the command as Ctrl-C does
    images = _list_images(args.images) if args.images else []
    try:
        with _build_stack(args) as stack:
            environment = _prepare(stack)
            _upload(stack, args.images, images)
            print(json.dumps(environment) if args.json else format_exports(environment), flush=True)
            _announce_label_studio(stack)
            _notify(f"Ready; logs and data are below {stack.directory}. Ctrl-C stops it.")
            while True:
                stack.check()
                time.sleep(_CHECK_INTERVAL_S)
    except KeyboardInterrupt:
        _notify("Stopped.")
        return 0


def _build_stack(args: argparse.Namespace) -> LocalStack:
    return LocalStack(
        args.dir,
        notify=_notify,
        kafka_port=args.kafka_port,
        s3_port=args.s3_port,
        with_label_studio=args.label_studio,
        label_studio_port=args.label_studio_port,
    )


def _announce_label_studio(stack: LocalStack) -> None:
    if stack.label_studio is not None:
        user, password = stack.label_studio.user, stack.label_studio.password
        _notify(f"Label Studio is at {stack.label_studio.url}; log in as {user} with the password {password}")
        _notify(
            "`zoomin-train labels push` sends the sampled cases to it, `zoomin-train labels pull` fetches the labels"
        )


def format_exports(environment: Mapping[str, str]) -> str:
    """Return the variables as shell commands; a session token of the user would invalidate our credentials."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
    return "\n".join(["unset AWS_SESSION_TOKEN", *exports])


def _prepare(stack: LocalStack) -> dict[str, str]:
    dead_letters = {topic for name, topic in _TOPICS.items() if "DEAD_LETTER" in name}
    stack.create_topics(set(_TOPICS.values()) - dead_letters, partitions=_PARTITIONS)
    stack.create_topics(dead_letters, max_message_bytes=DEAD_LETTER_MESSAGE_BYTES)
    stack.create_buckets([_IMAGE_BUCKET, _LABEL_BUCKET])
    return stack.build_environment(label_bucket=_LABEL_BUCKET) | _TOPICS


def _list_images(directory: Path) -> list[Path]:
    """List the image files below `directory`. Raises: BadSettings if there are none."""
    images = sorted(path for path in directory.rglob("*") if (guess_type(path)[0] or "").startswith("image/"))
    if not images:
        raise BadSettings(f"--images: no image files below {directory}; `zoomin-train scenes` draws some")
    return images


def _upload(stack: LocalStack, directory: Path, images: Sequence[Path]) -> None:
    if not images:
        return
    with closing(stack.seaweedfs.build_client()) as client:
        for path in images:
            client.upload_file(str(path), _IMAGE_BUCKET, path.relative_to(directory).as_posix())
    _notify(
        f"{len(images)} images are in s3://{_IMAGE_BUCKET}/; `zoomin submit s3://{_IMAGE_BUCKET}/` sends their events"
    )


def _parse_port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError(f"{port} is no port")
    return port


def _notify(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
