"""`make bench`: speed and memory of the worker, everything in one run at equal settings, into build/bench.json."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.bench import gpu, machine, memory, own
from tests.bench.figures import table
from tests.bench.ground import BenchFailed, Ground
from tests.bench.plan import FULL, PARTS, QUICK
from tests.bench.progress import Progress
from tests.bench.report import Report
from tests.bench.session import Session
from tests.site import MODEL


def main() -> int:
    options = _options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    try:
        _run(options)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; nothing written", file=sys.stderr)
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_parts, default=PARTS, help=f"some of: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer samples: minutes instead of a quarter of an hour")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=MODEL, help="directory of a checkpoint")
    parser.add_argument("--profile", type=Path, help="directory for cProfile's statistics of the workers' main thread")
    return parser.parse_args()


def _parts(text: str) -> Sequence[str]:
    unknown = set(text.split(",")) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return [part for part in PARTS if part in text.split(",")]


def _run(options: argparse.Namespace) -> None:
    plan = QUICK if options.quick else FULL
    checkpoint = Checkpoint.read(options.model)
    described = machine.describe(checkpoint)
    progress = Progress({part: s for part, s in plan.estimates_s.items() if part in ("prepare", *options.only)})
    report = Report()
    with Ground(checkpoint.path, pictures=plan.pictures, say=progress.say) as ground:
        session = Session(ground, checkpoint, plan, progress, report, options.profile)
        for part in options.only:
            progress.begin(part)
            {"own": own.measure, "gpu": gpu.measure, "memory": memory.measure}[part](session)
    report.write(options.json, machine=described)
    print(table(report.figures))


if __name__ == "__main__":
    sys.exit(main())
