"""Measure snapshots of N labeled cases on a real S3, and of the next night with 1 % new: seconds and peak memory.

`python -m tests.bench.snapshot --cases 2000`
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.snapshots import put_labeled_case, write_base
from training.labeling.bucket import LabelingBucket, open_labeling_bucket
from training.settings import TrainSettings
from worker.local.s3 import SeaweedFs

THREADS = 8
NEW_FRACTION = 0.01
BASE_FRACTION = 0.25
"""images of the base for each case"""
MIB_OF_KIB = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, metavar="N")
    cases = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as name:
        server = SeaweedFs(Path(name) / "s3").start()
        try:
            print(json.dumps(measure(server, Path(name), cases), indent=2))
        finally:
            server.stop()


def measure(server: SeaweedFs, directory: Path, cases: int) -> dict[str, object]:
    """Return seconds, peak memory and counts of the first snapshot, one that finds nothing new, and the next one."""
    os.environ |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    base = write_base(directory / "base", int(cases * BASE_FRACTION))
    settings = TrainSettings(s3_endpoint_url=server.endpoint_url)
    with open_labeling_bucket("s3://labels", settings) as bucket:
        server.create_buckets(["labels", "sets"])
        put_cases(bucket, range(cases))
        first = take_snapshot(server, base, directory)
        unchanged = take_snapshot(server, base, directory)
        put_cases(bucket, range(cases, cases + max(1, int(cases * NEW_FRACTION))))
        following = take_snapshot(server, base, directory)
    return {"cases": cases, "first": first, "unchanged": unchanged, "next": following}


def put_cases(bucket: LabelingBucket, numbers: range) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda number: put_labeled_case(bucket, number), numbers):
            pass


def take_snapshot(server: SeaweedFs, base: Path, directory: Path) -> dict[str, object]:
    """Take a snapshot by the command, in a process of its own, whose peak memory is measured."""
    command = [sys.executable, "-m", "training", "snapshot", "s3://labels", "--base", str(base)]
    command += ["--out", "s3://sets/night", "--json"]
    environment = os.environ | {
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": server.endpoint_url,
        "ZOOMIN_TRAIN_CACHE": str(directory / "cache"),
    }
    started = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = process.stdout.read().splitlines()[-1]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    result = json.loads(last)
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / MIB_OF_KIB),
        **{name: result[name] for name in ("digest", "images", "cases_read", "images_stored", "was_there")},
    }


if __name__ == "__main__":
    main()
