"""`make label-demo`: from traffic to labels, an estimate and a snapshot, on real servers, in a few minutes."""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from pipeline.errors import ZoomInError
from tests.label_demo.plan import LabelDemoPlan
from tests.label_demo.round import Round
from worker.local.stack import LocalStack


def main() -> int:
    options = _parse_options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever asks us to end finds nothing left behind
    began = time.monotonic()

    def notify(sentence: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {sentence}", file=sys.stderr, flush=True)

    shutil.rmtree(options.out, ignore_errors=True)
    plan = LabelDemoPlan(options.out, events=options.events, browser=options.browser)
    try:
        with LocalStack(notify=notify, with_label_studio=True) as stack:
            results = Round(plan, stack, notify).run()
    except KeyboardInterrupt:
        print("label-demo: stopped; nothing written", file=sys.stderr)
        return 130
    except (ZoomInError, AssertionError) as error:
        print(f"label-demo: {error}", file=sys.stderr)
        return 1
    text = json.dumps(asdict(results), indent=2)
    options.json.write_text(text + "\n")
    print(text)
    print((options.out / "estimate" / "report.html").absolute().as_uri())
    return 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.label_demo", description=__doc__)
    parser.add_argument("--events", type=int, default=200, help="scenes to judge (default: %(default)s)")
    parser.add_argument("--browser", type=int, default=10, help="cases labeled in a browser (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/label-demo"), help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path("build/label-demo.json"), help="default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
