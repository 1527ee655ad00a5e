"""`make chaos`: workers on real Kafka and S3 under a seeded course of faults, judged by what the topics hold."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from pipeline.errors import ZoomInError
from tests.chaos import round as chaos


def main() -> int:
    options = _options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever asks us to end finds nothing left behind
    directory = Path(tempfile.mkdtemp(prefix="zoomin-chaos-"))
    try:
        report = chaos.run(directory, _course(options), say=_say)
    except KeyboardInterrupt:
        print("chaos: stopped; nothing written", file=sys.stderr)
        return 130
    except (ZoomInError, AssertionError) as error:
        print(f"chaos: {error}\nlogs are below {directory}; SEED={options.seed} repeats it", file=sys.stderr)
        return 1
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report.to_json(), indent=2) + "\n")
    print(json.dumps(report.to_json(), indent=2))
    if report.broken:
        for sentence in report.broken:
            print(f"chaos: {sentence}", file=sys.stderr)
        print(f"logs are below {directory}; repeat it with: make chaos {_repeat(options)}", file=sys.stderr)
        return 1
    shutil.rmtree(directory)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--events", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=4, help="kill -9 of workers and broker; as many other faults")
    parser.add_argument("--delivery", choices=["at_least_once", "exactly_once"], default="at_least_once")
    parser.add_argument(
        "--swaps", action="store_true", help="workers follow a model registry; its faults replace those of services"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: any")
    parser.add_argument("--json", type=Path, default=Path("build/chaos.json"), help="default: %(default)s")
    return parser.parse_args()


def _course(options: argparse.Namespace) -> chaos.Course:
    return chaos.Course(options.seed, options.events, options.kills, options.delivery, options.swaps)


def _repeat(options: argparse.Namespace) -> str:
    size = f"EVENTS={options.events} KILLS={options.kills} DELIVERY={options.delivery} SEED={options.seed}"
    return f"{size} SWAPS=1" if options.swaps else size


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
