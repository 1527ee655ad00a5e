"""A bare engine in a process of its own, fed from memory; idle until it is told what to do.

python -m tests.bench.with_engine.engine_process MODEL [--no-reuse]: jobs are lines on stdin, results on stdout.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from pipeline.checkpoint import Checkpoint
from tests.bench.run.job import READY, SEQUENCES, EvaluationJob, Job, PlainJob, open_answers
from tests.bench.with_engine.encoder_runs import CLASS
from worker.common.settings import apply_process_environment


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--no-reuse", action="store_true")
    options = parser.parse_args()
    apply_process_environment()  # as the worker does, before vLLM is imported
    answers = open_answers()
    try:
        asyncio.run(_serve(Checkpoint.read(options.model), reuse=not options.no_reuse, answers=answers))
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(checkpoint: Checkpoint, *, reuse: bool, answers: TextIO) -> None:
    # Imported here: this takes half a minute, and wants the environment as it is now.
    from pipeline.vllm.options import EngineOptions
    from tests.bench.with_engine import asked_again
    from tests.bench.with_engine.bare import CountingEngine, perform
    from tests.bench.with_engine.plain import consume

    options = EngineOptions(max_num_seqs=SEQUENCES, reuse=reuse, worker_extension=CLASS)
    engine = await CountingEngine.start(checkpoint, options)
    jobs = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(jobs), sys.stdin)
    try:
        answers.write(f"{READY}\n")
        while line := await jobs.readline():  # ends with whoever gives the jobs
            wanted = json.loads(line)
            if "place" in wanted:
                await consume(PlainJob.parse(wanted), engine)
                answers.write("{}\n")
            elif "first_scene" in wanted:
                evaluated = await asked_again.perform(EvaluationJob(**wanted), engine)
                answers.write(json.dumps(asdict(evaluated)) + "\n")
            else:
                answers.write(json.dumps(asdict(await perform(Job(**wanted), engine))) + "\n")
    finally:
        await engine.close()


if __name__ == "__main__":
    sys.exit(main())
