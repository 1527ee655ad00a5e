"""`make bench`: speed and memory of the worker, everything in one run at equal settings, into build/bench.json."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.bench.peers import comparison
from tests.bench.plan import FULL, ON_ENGINES, PARTS, QUICK
from tests.bench.run import machine
from tests.bench.run.ground import BenchFailed, Ground
from tests.bench.run.job import SEQUENCES
from tests.bench.run.metrics import format_metrics
from tests.bench.run.progress import Progress
from tests.bench.run.report import Report
from tests.bench.run.session import Session
from tests.bench.with_engine import engines, evaluation, reuse
from tests.bench.with_engine.engine_host import EngineHost, engine_host
from tests.bench.without_engine import decoding, delivery, gpu, memory, own, photographs, recovery
from tests.support.paths import MODEL
from tests.support.processes.worker_process import REAL

ALONE = {
    "own": own.measure,
    "photographs": photographs.measure,
    "decoding": decoding.measure,
    "gpu": gpu.measure,
    "delivery": delivery.measure,
    "memory": memory.measure,
    "recovery": recovery.measure,
}
"""parts without an engine"""
ENGINES = {"reusing": (ON_ENGINES, ()), "forgetting": ({"reuse"}, ("--no-reuse",))}
"""which parts want each, and how it starts"""


def main() -> int:
    options = _options()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever asks us to end finds nothing left behind
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
    parser.add_argument("--quick", action="store_true", help="fewer samples: minutes instead of twenty")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=MODEL, help="directory of a checkpoint")
    parser.add_argument("--beside", type=Path, help="another checkout, whose worker is measured in turns (own code)")
    parser.add_argument("--profile", type=Path, help="directory for cProfile's statistics of the workers' main thread")
    return parser.parse_args()


def _parts(text: str) -> Sequence[str]:
    unknown = set(text.split(",")) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return [part for part in PARTS if part in text.split(",")]


def _run(options: argparse.Namespace) -> None:
    plan = QUICK if options.quick else FULL
    parts: Sequence[str] = options.only
    checkpoint = Checkpoint.read(options.model)
    described = machine.describe(checkpoint)
    progress = Progress({part: s for part, s in plan.estimates_s.items() if part in ("prepare", *parts)})
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Engines take a minute or two to start: they do it while the pictures are uploaded.
        bare = stack.enter_context(ExitStack())
        hosts = {
            name: bare.enter_context(engine_host(checkpoint.path, logs / f"{name}.log", *how))
            for name, (wanted, how) in ENGINES.items()
            if wanted & set(parts)
        }
        ground = Ground(checkpoint.path, pictures=plan.count_pictures(parts), say=progress.say)
        stack.enter_context(ground)
        session = Session(ground, checkpoint, plan, progress, Report(), options.profile, options.beside)
        try:
            with ExitStack() as workers:
                _measure(session, parts, hosts, workers)
            bare.close()  # the comparison starts three more engines, of 3 GiB each
            if "peers" in parts:
                progress.begin("peers")
                comparison.measure(session)
        except BenchFailed:
            print(format_metrics(session.report.metrics))  # what was measured before is not lost
            raise
        session.report.write(options.json, machine=described, parts=parts)
    print(format_metrics(session.report.metrics))


def _measure(session: Session, parts: Sequence[str], hosts: Mapping[str, EngineHost], workers: ExitStack) -> None:
    begin, worker = session.progress.begin, None
    if {"engine", "plain"} & set(parts):
        in_flight, sequences = engines.IN_FLIGHT, str(SEQUENCES)
        worker = workers.enter_context(
            session.pipeline("real", *REAL, in_flight=in_flight, ENGINE__MAX_NUM_SEQS=sequences)
        )
    for name, host in hosts.items():
        session.progress.say(f"Waiting for the engine {name}")
        host.wait()
    if worker is not None:
        session.progress.say("Waiting for the worker on the real engine")
        worker.ready()
    for part, measure in ALONE.items():
        if part in parts:
            begin(part)
            measure(session)
    if worker is not None:
        begin("engine" if "engine" in parts else "plain")
        engines.measure(session, worker, hosts["reusing"], parts=parts)
    if "reuse" in parts:
        begin("reuse")
        reuse.measure(session, hosts["reusing"], hosts["forgetting"])
    if "evaluation" in parts:
        begin("evaluation")
        evaluation.measure(session, hosts["reusing"])


if __name__ == "__main__":
    sys.exit(main())
