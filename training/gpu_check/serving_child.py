"""Run as the serving part of the check: start an engine, ask it, kill its core, start anew, reload, wait for SIGTERM.

Started by training/gpu_check/serving.py with a CheckPlan as JSON; each row goes to stdout as a line of JSON when it is
known, and nothing else does. The process of its own shows what is left of the engine when its parent process ends.
"""

import asyncio
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from pipeline import images, prompts
from pipeline.checkpoint import Checkpoint
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead
from pipeline.verdict import BoundingBox, RgbImage
from pipeline.vllm.engine import VllmEngine
from pipeline.vllm.options import EngineOptions
from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CORE, STOP, WAITING, CheckRow, Report

SAME_P_GENERATED = 0.01
"""largest difference that other batches make"""
COARSE_PX = 8
"""the side of one flat square of the random images"""


def main() -> None:
    rows = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # vLLM and NCCL print there too, which are no rows

    def report(row: CheckRow) -> None:
        print(row.model_dump_json(), file=rows, flush=True)

    asyncio.run(_check_serving(CheckPlan.model_validate_json(sys.argv[1]), report))


async def _check_serving(plan: CheckPlan, report: Report) -> None:
    stop, signals = asyncio.Event(), []

    def note_signal() -> None:
        signals.append(signal.SIGTERM)
        stop.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, note_signal)
    checkpoint = Checkpoint.read(plan.checkpoint)
    engine = await _start_engine(plan, checkpoint, "engine start", report)
    report(describe_core())
    for count in plan.in_flight:
        report(await _measure_queries(engine, plan, count))
    report(await _kill_core(engine, plan))
    await engine.close()
    engine = await _start_engine(plan, checkpoint, "engine restart", report)
    report(await sleep_and_wake(engine, plan))
    report(await _reload_weights(engine, plan))
    report(CheckRow(name=WAITING))
    await stop.wait()
    await engine.close()
    report(judge_stop(len(signals)))


async def _start_engine(plan: CheckPlan, checkpoint: Checkpoint, name: str, report: Report) -> VllmEngine:
    began = time.monotonic()
    options = EngineOptions(
        max_num_seqs=min(256, 2 * max(plan.in_flight)),
        max_in_flight=max(plan.in_flight),
        tensor_parallel_size=plan.tensor_parallel,
        query_timeout_s=plan.minutes * 60,
        sleep_mode=not plan.on_cpu,
    )
    engine = await VllmEngine.start(checkpoint, options)
    report(CheckRow(name=name, values={"seconds": _count_seconds(began)}))
    return engine


def describe_core() -> CheckRow:
    """Check that the engine's core is a spawned process: a forked one would inherit our signal handlers."""
    core = _find_core()
    spawned = isinstance(core, multiprocessing.context.SpawnProcess)
    detail = "" if spawned else f"it was not spawned: {type(core).__name__}"
    return CheckRow(name=CORE, outcome="ok" if spawned else "failed", values={"pid": core.pid or 0}, detail=detail)


async def _measure_queries(engine: VllmEngine, plan: CheckPlan, count: int) -> CheckRow:
    """Ask both queries about `count` new images at once, each with two crops."""
    queries = [build_queries(engine, plan, seed=count * 1000 + number) for number in range(count)]
    began = time.monotonic()
    answered = await asyncio.gather(*(_ask_both(engine, *pair) for pair in queries))
    seconds = time.monotonic() - began
    answers = [answer for pair, _ in answered for answer in pair]
    latencies = [latency for _, latency in answered]
    return CheckRow(
        name=f"both queries, {count} in flight",
        values={
            "images_per_s": round(count / seconds, 2),
            "p50_s": round(statistics.median(latencies), 2),
            "max_s": round(max(latencies), 2),
            "answer_tokens_mean": round(statistics.mean(answer.answer_tokens for answer in answers), 1),
            "cached_share_query_2": _measure_reuse([pair[1] for pair, _ in answered]),
        },
    )


async def _ask_both(engine: VllmEngine, scan: Query, check: Query) -> tuple[tuple[Answer, Answer], float]:
    began = time.monotonic()
    answers = await engine.ask(scan), await engine.ask(check)
    return answers, time.monotonic() - began


def build_queries(engine: VllmEngine, plan: CheckPlan, *, seed: int) -> tuple[Query, Query]:
    """Build Query 1 and Query 2 about a random image of this seed, with two crops."""
    card = engine.card
    side = int(card.scan_max_pixels**0.5)
    squares = np.random.default_rng(seed).integers(0, 256, (side // COARSE_PX, side // COARSE_PX, 3), dtype=np.uint8)
    image = RgbImage(Image.fromarray(squares).resize((side, side), Image.Resampling.BICUBIC), "png")
    view = images.build_view(image, card.scan_max_pixels)
    boxes = (BoundingBox(0, 0, side // 2, side // 2), BoundingBox(side // 2, side // 3, side, side))
    crops = [images.crop(image, box, card.crop_max_pixels).image for box in boxes]
    scan = prompts.build_global_scan(view, card.box_frame)
    check = prompts.build_local_check(view, crops, card.box_frame)
    return replace(scan, max_tokens=plan.answer_tokens), replace(check, max_tokens=plan.answer_tokens)


def _measure_reuse(checks: Sequence[Answer]) -> float:
    return round(sum(a.cached_tokens for a in checks) / sum(a.prompt_tokens for a in checks), 3)


async def _kill_core(engine: VllmEngine, plan: CheckPlan) -> CheckRow:
    """Kill the core with queries in flight: each has to fail with EngineDead at once."""
    queries = [build_queries(engine, plan, seed=number) for number in range(max(plan.in_flight))]
    asked = [asyncio.create_task(_ask_both(engine, *pair)) for pair in queries]
    await asyncio.sleep(0)  # every task has asked its first query
    _find_core().kill()
    began = time.monotonic()
    results = await asyncio.gather(*asked, return_exceptions=True)
    dead = sum(isinstance(result, EngineDead) for result in results)
    return CheckRow(
        name="core killed",
        outcome="ok" if dead == len(asked) else "failed",
        values={"in_flight": len(asked), "failed_with_engine_dead": dead, "seconds": _count_seconds(began)},
    )


async def sleep_and_wake(engine: VllmEngine, plan: CheckPlan) -> CheckRow:
    name = "sleep and wake"
    if plan.on_cpu:
        return CheckRow(name=name, outcome="skipped", detail="vLLM's CPU build has no sleep mode")
    before = await _ask_both(engine, *build_queries(engine, plan, seed=1))
    began = time.monotonic()
    await engine.sleep()
    asleep = time.monotonic()
    await engine.wake_up()
    values: dict[str, float | str] = {"sleep_s": round(asleep - began, 2), "wake_s": _count_seconds(asleep)}
    return compare_answers(name, before[0], (await _ask_both(engine, *build_queries(engine, plan, seed=1)))[0], values)


async def _reload_weights(engine: VllmEngine, plan: CheckPlan) -> CheckRow:
    before, _ = await _ask_both(engine, *build_queries(engine, plan, seed=2))
    began = time.monotonic()
    await engine.reload_weights(plan.checkpoint)
    values: dict[str, float | str] = {"seconds": _count_seconds(began)}
    return compare_answers("reload", before, (await _ask_both(engine, *build_queries(engine, plan, seed=2)))[0], values)


def compare_answers(
    name: str, before: Sequence[Answer], after: Sequence[Answer], values: dict[str, float | str]
) -> CheckRow:
    """Compare the answers of the same weights to the same queries, greedy both times."""
    largest = max(abs(a.p_generated - b.p_generated) for a, b in zip(before, after, strict=True))
    same = largest < SAME_P_GENERATED
    detail = "" if same else f"P(generated) of the same image moved by {largest:.3f}"
    return CheckRow(name=name, outcome="ok" if same else "failed", values=values, detail=detail)


def judge_stop(signals: int) -> CheckRow:
    """Check that our handler was called once: a second call would come from a core that inherited it."""
    detail = "" if signals == 1 else f"our handler was called {signals} times"
    return CheckRow(name=STOP, outcome="ok" if signals == 1 else "failed", detail=detail)


def _find_core() -> multiprocessing.process.BaseProcess:
    (core,) = multiprocessing.active_children()
    return core


def _count_seconds(began: float) -> float:
    return round(time.monotonic() - began, 2)


if __name__ == "__main__":
    main()
