"""Conditions of /livez and /readyz: the loop turns, the engine lives and serves, the group has us as a member."""

import time

from worker.common.sections import TelemetrySettings
from worker.loop import WorkerLoop
from worker.observe.health import HealthServer
from worker.observe.telemetry import Metrics
from worker.serving.supervisor import Supervisor

LOOP_DEADLINE_S = 60.0


def build_health_server(
    settings: TelemetrySettings, loop: WorkerLoop, supervisor: Supervisor, metrics: Metrics
) -> HealthServer:
    return HealthServer(
        settings.http_host,
        settings.http_port,
        live=lambda: check_liveness(loop, supervisor),
        ready=lambda: check_readiness(loop, supervisor),
        registry=metrics.registry,
    )


def check_liveness(loop: WorkerLoop, supervisor: Supervisor) -> str | None:
    """Return the reason why the process should be restarted; None when all is well."""
    return check_turning(loop) or ("the engine is dead" if supervisor.dead else None)


def check_turning(loop: WorkerLoop) -> str | None:
    """Return for how long the loop has been stuck; None while it turns."""
    silent_s = time.monotonic() - loop.turned_at
    return f"the loop has not turned for {silent_s:.0f} s" if silent_s > LOOP_DEADLINE_S else None


def check_readiness(loop: WorkerLoop, supervisor: Supervisor) -> str | None:
    """Return the reason why the worker judges nothing now; None when all is well.

    A member without partitions is ready: replicas above the number of partitions must finish a rolling update.
    """
    return check_membership(loop) if supervisor.ready else "the engine is not ready"


def check_membership(loop: WorkerLoop) -> str | None:
    return None if loop.joined else "not a member of the consumer group"
