"""Ask a model everything that the gate judges, on one engine: seconds first, then every pass over every set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.checkpoint import Checkpoint
from training.engine.caching import CachingEngine
from training.engine.memory import EngineSize
from training.engine.run import EngineSetup, OnEngine
from training.engine.stored_answers import StoringEngine, VersionedEngine
from training.evaluation import samples
from training.evaluation.jobs import predict_passes
from training.evaluation.metrics import Prediction
from training.gate.demands import Demands
from training.gate.evidence import OWN, ModelEvidence
from training.gate.sets import GateSet, build_jobs
from training.gate.table import SetName
from training.paper.latency import measure_latency
from training.reports.examples import ComparedModel

_WARM_UP = 2
"""images that are asked about before the clock counts: the first queries wait for the engine's kernels"""


@dataclass(frozen=True, slots=True, eq=False)
class AskedModel:
    """A model with what it was asked; its engine is closed, and `memory` answers again about the sets as they are."""

    checkpoint: Checkpoint
    version: str
    evidence: ModelEvidence
    memory: CachingEngine

    def get_compared(self, name: SetName) -> ComparedModel:
        return ComparedModel(self.checkpoint, self.memory, self.version, self.evidence.sets[name][OWN])


def ask_model(
    checkpoint: Checkpoint,
    sets: Mapping[SetName, GateSet],
    demands: Demands,
    setup: EngineSetup,
    on_engine: OnEngine,
) -> AskedModel:
    """Return the evidence of one model. Raises: what the engine raises; BadSettings for a file that vanished."""
    needed = EngineSize.read(checkpoint.path).estimate_need(setup.options, setup.options.tensor_parallel_size)

    async def ask_everything(engine: StoringEngine) -> AskedModel:
        timed = sets["golden"].samples[: _WARM_UP + demands.latency_images] if "golden" in sets else ()
        latencies = await time_images(timed, engine.unstored)
        caching = CachingEngine(engine)
        predictions: dict[SetName, dict[str, list[Prediction]]] = {}
        for name, of_gate in sets.items():
            first, *others = build_jobs(name, of_gate.samples, demands)
            predictions[name] = await predict_passes([first], caching, concurrency=setup.concurrency)
            predictions[name] |= await predict_passes(others, engine, concurrency=setup.concurrency)
        evidence = ModelEvidence(predictions, latencies, needed.total)
        return AskedModel(checkpoint, engine.version, evidence, caching)

    return on_engine(checkpoint, setup, ask_everything)


async def time_images(timed: Sequence[samples.Sample], engine: VersionedEngine) -> list[float | None]:
    """Return the seconds of each image but the first ones, one after the other; None where it cannot be read."""
    seconds: list[float | None] = []
    for sample in timed:
        measured = (await measure_latency([sample], engine)).two_queries
        seconds.append(measured[0] if measured else None)
    return seconds[_WARM_UP:]
