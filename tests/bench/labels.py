"""`python -m tests.bench.labels --cases 10000`: time and peak memory of `zoomin-train labels push` and `pull`.

The real Label Studio and a real S3 of its own; every case is labeled through Label Studio's API before the pull.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.wire.labels import build_case_key
from tests.support.annotations import build_result
from tests.support.labels import START, build_case
from tests.support.verdicts import build_verdict
from training.label_studio.client import LabelStudio
from training.settings import TrainSettings
from worker.local.label_studio import LabelStudio as LabelStudioServer
from worker.local.s3 import SeaweedFs, build_s3_client
from worker.local.stack import CACHE

BUCKET = "labels"
THREADS = 8
MIB = 1024


@dataclass(frozen=True, slots=True)
class Measured:
    verb: str
    seconds: float
    peak_rss_mib: float
    printed: dict[str, object]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.labels", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, metavar="N", help="(default %(default)s)")
    cases: int = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as scratch:
        s3 = SeaweedFs(Path(scratch) / "s3").start()
        server = LabelStudioServer(
            Path(scratch) / "label-studio", cache=CACHE, notify=print, s3_endpoint_url=s3.endpoint_url
        )
        try:
            server.start()
            measured = _measure(s3, server, cases)
        finally:
            server.stop()
            s3.stop()
    for one in measured:
        print(json.dumps({"cases": cases, "verb": one.verb, "s": one.seconds, "peak_rss_mib": one.peak_rss_mib}))
    return 0


def _measure(s3: SeaweedFs, server: LabelStudioServer, cases: int) -> list[Measured]:
    environment = {
        **server.environment,
        **s3.reader_environment,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": s3.endpoint_url,
    }
    _put_cases(s3, cases)
    measured = [_run("push", environment), _run("push again", environment)]
    _label_tasks(server)
    return [*measured, _run("pull", environment), _run("pull again", environment), _run("status", environment)]


def _put_cases(s3: SeaweedFs, cases: int) -> None:
    client = build_s3_client(s3.endpoint_url, s3.access_key, s3.secret_key)
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="images/any.png", Body=b"Label Studio wants one")

    def put(number: int) -> None:
        event = build_verdict(event_id=f"{number:06d}", zoomed=[(10, 20, 60, 90), (100, 100, 300, 200)])
        event = event.model_copy(update={"image": event.image.model_copy(update={"sha256": f"{number:064x}"})})
        case = build_case(event, blind=number % 5 == 0)
        key = build_case_key(case.case_id, START)
        client.put_object(Bucket=BUCKET, Key=key, Body=case.model_dump_json().encode())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(cases)))


def _label_tasks(server: LabelStudioServer) -> None:
    with LabelStudio(server.url, server.token, timeout_s=60) as client:
        (project,) = client.find_projects(TrainSettings().labels_project)
        tasks = [task.id for task in client.list_tasks(project.id)]
    headers = {"Authorization": f"Token {server.token}"}
    body = {"result": build_result(boxes=[(10, 20, 60, 90)], text="It repeats."), "lead_time": 9.0}
    with (
        httpx.Client(base_url=server.url, headers=headers, timeout=120) as annotator,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        list(
            pool.map(
                lambda task: annotator.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status(), tasks
            )
        )


def _run(name: str, environment: dict[str, str]) -> Measured:
    """Run a verb in a process of its own, whose peak memory the kernel counts."""
    command = [sys.executable, "-m", "training", "labels", name.split()[0], f"s3://{BUCKET}", "--json"]
    started = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = round(time.monotonic() - started, 1)
    if process.returncode:
        raise SystemExit(f"labels {name} ended with {process.returncode}")
    print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
    return Measured(name, seconds, round(usage.ru_maxrss / MIB, 1), json.loads(printed.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
