"""Puts another model into a running worker, while no event is being judged."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pipeline.checkpoint import CheckpointCard
from worker.common.sections import FlowSettings
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.serving.barrier import ModelBarrier
from worker.serving.capacity import plan_kept_pixels
from worker.serving.refusal import ModelRefused, Refusal, refuse_for
from worker.serving.revisions import LocalModel
from worker.serving.smoke import Decoder, ask_smoke_questions
from worker.serving.start import build_served_model
from worker.serving.supervisor import Supervisor

RELOAD, RESTART = "reload", "restart"


@dataclass(frozen=True, slots=True)
class ModelSwap:
    """`kept_pixels` is what the decoders keep; it was planned for the model that the worker started with."""

    supervisor: Supervisor
    barrier: ModelBarrier
    decoder: Decoder
    flow: FlowSettings
    kept_pixels: int
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, model: LocalModel) -> None:
        """Let the old model answer what is being judged, change the model, ask its smoke questions, and go on.

        Raises: ModelRefused, after which the old model serves on; EventsInside if events are judged for longer than
            `drain_timeout_s`; EngineDead if the old model does not start again.
        """
        self._require_room(model.checkpoint.card)
        began = self.clock()
        examine = partial(ask_smoke_questions, model=model, decoder=self.decoder)
        async with self.barrier.close(deadline_s=self.flow.drain_timeout_s):
            drained = self.clock()
            obstacle = await self.supervisor.change_checkpoint(model.checkpoint, examine)
            self.barrier.change_model(build_served_model(model.checkpoint, self.supervisor.running.version))
            self.metrics.set_model(model.checkpoint)
        self._report(model, obstacle, drain_s=drained - began, pause_s=self.clock() - began)

    def _require_room(self, card: CheckpointCard) -> None:
        with refuse_for(Refusal.CAPACITY):
            kept_pixels = plan_kept_pixels(self.flow, card)
        if kept_pixels < self.kept_pixels:
            raise ModelRefused(
                Refusal.CAPACITY,
                f"its views and crops need {self.kept_pixels - kept_pixels} pixels more than the decoders leave "
                "them: restart the worker, which then starts on this model",
            )

    def _report(self, model: LocalModel, obstacle: str | None, *, drain_s: float, pause_s: float) -> None:
        way = RELOAD if obstacle is None else RESTART
        self.metrics.model_swaps.labels(way).inc()
        self.metrics.model_swap_seconds.labels(way).observe(pause_s)
        telemetry.get_logger().info(
            telemetry.MODEL_SWAPPED,
            name=model.checkpoint.name,
            revision=model.checkpoint.revision,
            way=way,
            obstacle=obstacle,
            drain_s=round(drain_s, 3),
            pause_s=round(pause_s, 3),
        )
