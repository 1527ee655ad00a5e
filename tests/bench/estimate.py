"""Time and memory of drift over many verdicts: `python -m tests.bench.estimate --verdicts 1000000`.

It pipes verdicts into `zoomin-train estimate --verdicts -` as `zoomin tail --json` would, and prints the command's time
and the peak of its memory.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.verdicts import build_verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, SOURCES, TEMPLATES = 14, 20, 500
WORDS = [
    "grain",
    "shadow",
    "texture",
    "light",
    "hand",
    "text",
    "edge",
    "pattern",
    "skin",
    "sky",
    "window",
    "reflection",
    "fur",
    "leaf",
    "brick",
    "fabric",
]
GIB = 1024**3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.estimate", description=__doc__)
    parser.add_argument("--verdicts", type=int, default=1_000_000, metavar="N", help="default: %(default)s")
    count = parser.parse_args().verdicts
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "training", "estimate", "--verdicts", "-", "--out", directory, "--json"]
        command += ["--reference-until", (START + timedelta(days=DAYS / 2)).isoformat()]
        started = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None, "it is a pipe"
            assert child.stdout is not None, "it is a pipe"
            for line in write_lines(count):
                child.stdin.write(line)
            child.stdin.close()
            report = json.loads(child.stdout.read().splitlines()[-1])
        seconds = time.monotonic() - started
        page_bytes = (Path(directory) / "report.html").stat().st_size
    counted = sum(report["drift"][window]["verdicts"] for window in ("reference", "window"))
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{counted} verdicts in {seconds:.0f} s, peak {peak_bytes / GIB:.2f} GiB, page {page_bytes / 1e6:.1f} MB")
    return child.returncode or int(counted != count)


def write_lines(count: int) -> Iterator[bytes]:
    """Yield verdicts of several sources and days, a line each."""
    rng = random.Random(0)
    templates = [_write_template(rng, number) for number in range(TEMPLATES)]
    for number in range(count):
        decided_at = START + timedelta(days=DAYS * number / count)
        source = f"source-{min(int(rng.expovariate(0.3)), SOURCES - 1)}"
        line = templates[rng.randrange(TEMPLATES)].replace(b"SOURCE", source.encode(), 1)
        line = line.replace(b"EVENT", f"event-{number}".encode())
        yield line.replace(b"2026-01-01T00:00:00.000Z", decided_at.isoformat().encode(), 1)


def _write_template(rng: random.Random, number: int) -> bytes:
    boxes = [(x, x, x + rng.randrange(20, 200), x + 60) for x in range(0, 40 * rng.randrange(4), 40)]
    verdict = build_verdict(
        event_id="EVENT",
        source="SOURCE",
        scan=rng.choice(("real", "generated")),
        zoomed=boxes,
        p_generated=round(rng.betavariate(0.4, 0.6), 4),
        size=(rng.choice((512, 1024, 3000)), rng.choice((512, 2000))),
        check_explanation=f"Crop {number} shows the {' '.join(rng.choices(WORDS, k=12))} of a camera.",
    )
    return json.dumps(verdict.model_dump(mode="json")).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
