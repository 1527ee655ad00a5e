"""`make hostile`: the corpus through a real worker, and a million mutated strings for both parsers."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from pipeline.errors import ZoomInError
from tests.hostile import round as hostile
from tests.hostile.mutation import hunt
from tests.hostile.round import Report
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site
from worker.cli.terminal import escape_unprintable
from worker.local.stack import LocalStack

SHOWN = 50


def main() -> int:
    options = _options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever asks us to end finds nothing left behind
    directory = Path(tempfile.mkdtemp(prefix="zoomin-hostile-"))
    began = time.monotonic()
    try:
        report = _through_a_worker(directory, options.seed)
        surprising = [*report.surprises, *hunt(options.strings, seed=options.seed, say=_say)]
    except KeyboardInterrupt:
        shutil.rmtree(directory, ignore_errors=True)
        print("hostile: stopped; nothing written", file=sys.stderr)
        return 130
    except (ZoomInError, AssertionError) as error:
        print(f"hostile: {error}\nlogs are below {directory}", file=sys.stderr)
        return 1
    figures = _figures(report, surprising, options, time.monotonic() - began)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    _show(report, figures)
    for sentence in [*surprising[:SHOWN], *(f"asked for: {whom}" for whom in report.forbidden[:SHOWN])]:
        print(f"hostile: {escape_unprintable(sentence)[:1000]}", file=sys.stderr)
    if surprising or report.forbidden:
        print(f"logs are below {directory}; repeat it with: make hostile SEED={options.seed}", file=sys.stderr)
        return 1
    shutil.rmtree(directory)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the order and of the strings; default: %(default)s")
    parser.add_argument("--strings", type=int, default=1_000_000, help="mutated strings; default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("build/hostile.json"), help="default: %(default)s")
    return parser.parse_args()


def _through_a_worker(directory: Path, seed: int) -> Report:
    with LocalStack(directory, notify=_say) as stack:
        weed = stack.seaweedfs
        s3 = S3ForTests(weed.endpoint_url, access_key=weed.access_key, secret_key=weed.secret_key)
        s3.client.create_bucket(Bucket="secret")  # there, full of temptation, and not on the allow-list
        s3.client.put_object(Bucket="secret", Key="a", Body=b"secret")
        report = hostile.run(Site(KafkaForTests(stack.kafka), s3, directory / "worker"), seed=seed, say=_say)
        s3.client.close()
    return report


def _figures(report: Report, surprising: list[str], options: argparse.Namespace, seconds: float) -> dict[str, object]:
    """build/hostile.json; the names are a contract. Memory is the proportional set size of the worker's whole tree."""
    return {
        **report.counts,
        "surprises": len(surprising),
        "forbidden_requests": len(report.forbidden),
        "peak_rss_mib": round(report.peak_mib),
        "outcomes": report.outcomes,
        "strings": options.strings,
        "seed": options.seed,
        "seconds": round(seconds, 1),
    }


def _show(report: Report, figures: dict[str, object]) -> None:
    for kind, counted in report.outcomes.items():
        for outcome, count in counted.items():
            print(f"{kind:<10}{outcome:<28}{count:>8}")
    for name in ("strings", "surprises", "forbidden_requests", "peak_rss_mib", "seconds"):
        print(f"{name:<38}{figures[name]:>8}")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
