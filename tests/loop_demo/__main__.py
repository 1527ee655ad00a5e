"""`make loop-demo`: new kinds of generated images appear, are labeled, trained on and caught, on real servers.

Stopped at any point, the same command goes on with the phase that it was in; after a finished demo it begins anew.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from pipeline.errors import ZoomInError
from tests.loop_demo.loop import LoopDemo
from tests.loop_demo.plan import RATE, LoopDemoPlan
from training.reports.page import JSON_NAME
from worker.cli.stream import silence_kafka_logging
from worker.local.stack import LocalStack


def main() -> int:
    options = _parse_options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever asks us to end finds nothing left behind
    silence_kafka_logging()
    began = time.monotonic()

    def notify(sentence: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {sentence}", file=sys.stderr, flush=True)

    if options.fresh or (options.out / JSON_NAME).exists():  # the report is the last thing that a demo writes
        shutil.rmtree(options.out, ignore_errors=True)
    plan = replace(LoopDemoPlan(options.out), rate=options.rate, has_label_studio=not options.import_labels)
    try:
        with LocalStack(options.out / "stack", notify=notify, with_label_studio=plan.has_label_studio) as stack:
            results = LoopDemo(plan, stack, notify).run()
    except KeyboardInterrupt:
        print("loop-demo: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except (ZoomInError, AssertionError, RuntimeError) as error:
        print(f"loop-demo: {error}; the same command goes on from here", file=sys.stderr)
        return 1
    text = json.dumps(asdict(results), indent=2)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(text + "\n")
    print(text)
    return 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.loop_demo", description=__doc__)
    parser.add_argument("--rate", type=float, default=RATE, help="events a second (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="begin anew, instead of going on with a stopped demo")
    parser.add_argument("--import-labels", action="store_true", help="without Label Studio: the demo writes the labels")
    parser.add_argument("--out", type=Path, default=Path("build/loop-demo"), help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("build/loop-demo.json"), help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
