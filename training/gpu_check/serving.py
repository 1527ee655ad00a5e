"""Run the serving part of the check in a process of its own, stop it with SIGTERM, and look for what it left behind."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import psutil

from training.gpu_check.plan import CheckPlan
from training.gpu_check.rows import CORE, STOP, WAITING, CheckRow, Report

STOP_DEADLINE_S = 60.0
ORPHAN_DEADLINE_S = 10.0


async def check_serving(plan: CheckPlan, report: Report, *, seconds: float) -> None:
    """Report each row of the child as it comes, and last how it ended. `seconds` bound the whole part."""
    log = plan.work / "serving.log"
    with log.open("wb") as errors:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "training.gpu_check.serving_child", plan.model_dump_json()),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=errors,
            process_group=0,  # Ctrl-C reaches this process alone, which kills the child
        )
    try:
        async with asyncio.timeout(seconds):
            cores = await _report_rows(child, report, log)
        for core in cores:
            report(await check_orphan(core))
    except TimeoutError:
        report(CheckRow(name="serving", outcome="failed", detail=f"not done within {seconds:.0f} s; see {log}"))
    finally:
        if child.returncode is None:
            # Its group has the engine's core, which watches its parent only once it has loaded.
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def _report_rows(child: Process, report: Report, log: Path) -> list[int]:
    """Pass the rows on, ask the child to stop when it waits for that, and return the ids of its engine's cores."""
    assert child.stdout is not None
    cores: list[int] = []
    async for line in child.stdout:
        row = CheckRow.model_validate_json(line)
        if row.name == WAITING:
            report(await _stop(child, log))
            continue
        if row.name == CORE:
            cores.append(int(row.values["pid"]))
        report(row)
    if code := await child.wait():
        report(CheckRow(name="serving", outcome="failed", detail=f"it ended with {code}: {read_last_line(log)}"))
    return cores


async def _stop(child: Process, log: Path) -> CheckRow:
    """Send SIGTERM and wait for the last row and the end; a process that is told once ends once, with 0."""
    assert child.stdout is not None
    began = time.monotonic()
    child.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_DEADLINE_S):
            last = await child.stdout.readline()
            code = await child.wait()
    except TimeoutError:
        return CheckRow(name=STOP, outcome="failed", detail=f"it runs on after {STOP_DEADLINE_S:g} s")
    seconds = round(time.monotonic() - began, 2)
    if code or not last:
        return CheckRow(name=STOP, outcome="failed", detail=f"it ended with {code}: {read_last_line(log)}")
    row = CheckRow.model_validate_json(last)
    return CheckRow(
        name=row.name, outcome=row.outcome, detail=row.detail, values={"seconds": seconds, "exit_code": code}
    )


async def check_orphan(core: int) -> CheckRow:
    """Check that the engine's core is gone with its parent: it would hold the GPU's memory."""
    for _ in range(int(ORPHAN_DEADLINE_S)):
        if not psutil.pid_exists(core):
            return CheckRow(name="nothing left behind")
        await asyncio.sleep(1.0)
    return CheckRow(name="nothing left behind", outcome="failed", detail=f"the engine's core {core} still runs")


def read_last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it wrote nothing"
