"""Retriers by dependency: each reports retries and outages to the metrics and the log under its name."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from pipeline.errors import OutageError, ZoomInError
from worker.common.retry import NO_PROBES, Peers, Probes, Retrier, RetryPolicy
from worker.common.sections import RetrySettings
from worker.observe import telemetry
from worker.observe.telemetry import Metrics

FIRST_RETRY_S = 0.2


class Retriers:
    def __init__(self, settings: RetrySettings, metrics: Metrics) -> None:
        self._policy = RetryPolicy(settings.attempts, FIRST_RETRY_S, settings.max_wait_s, settings.patience_s)
        self._metrics = metrics

    def build(
        self,
        dependency: str,
        *,
        probes: Probes = NO_PROBES,
        peers: Peers | None = None,
        patience_s: float | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> Retrier:
        def report_retry(error: ZoomInError, wait_s: float) -> None:
            self._metrics.retries.labels(dependency).inc()
            telemetry.get_logger().debug(
                telemetry.DEPENDENCY_RETRIED, dependency=dependency, code=error.code, wait_s=round(wait_s, 2)
            )

        return Retrier(
            self._policy if patience_s is None else replace(self._policy, patience_s=patience_s),
            clock=time.monotonic,
            sleep=sleep,
            rng=random.Random(),
            on_retry=report_retry,
            on_outage=self.build_outage_reporter(dependency),
            probes=probes,
            peers=peers,
        )

    def build_outage_reporter(self, dependency: str) -> Callable[[OutageError | None], None]:
        """Return the function that gets the first refusal of an outage of the dependency, and None at its end."""

        def report_outage(refusal: OutageError | None) -> None:
            self._metrics.outage.labels(dependency).set(0 if refusal is None else 1)
            if refusal is None:
                telemetry.get_logger().warning(telemetry.OUTAGE_ENDED, dependency=dependency)
            else:
                telemetry.get_logger().warning(
                    telemetry.OUTAGE_BEGAN, dependency=dependency, code=refusal.code, detail=refusal.detail
                )

        return report_outage
