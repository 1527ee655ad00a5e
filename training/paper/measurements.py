"""The measurements of a checkpoint for the paper report: latencies, predictions of every set, cards and scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.checkpoint import Checkpoint
from training.engine.run import EngineSetup, run_on_engine
from training.engine.stored_answers import StoringEngine, VersionedEngine
from training.evaluation import evaluate
from training.evaluation.metrics import Prediction
from training.paper import attention_map, latency, table_1, tables
from training.paper.attention_map import ScannedSample
from training.paper.latency import Latencies
from training.paper.report_sets import ReportSets
from training.reports import examples
from training.reports.examples import Example

TIMED_IMAGES = 20
MAPPED_IMAGES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Predictions on the own set by pass, on the other sets with their titles, and what the figures show."""

    predictions: Mapping[str, Sequence[Prediction]]
    others: Mapping[str, tuple[str, Sequence[Prediction]]]
    latencies: Latencies
    examples: Sequence[Example]
    scanned: Sequence[ScannedSample]
    engine: str


def measure_on_engine(checkpoint: Checkpoint, sets: ReportSets, setup: EngineSetup) -> Measurements:
    """Start an engine for the checkpoint, and measure on it. Raises: BadSettings, EngineDead."""

    async def measure_all(engine: StoringEngine) -> Measurements:
        # Timed on the engine itself, and first: only then every image is new to it.
        latencies = await latency.measure_latency(sets.samples[:TIMED_IMAGES], engine.unstored)
        return await measure_checkpoint(checkpoint, sets, engine, latencies, concurrency=setup.concurrency)

    return run_on_engine(checkpoint, setup, measure_all)


async def measure_checkpoint(
    checkpoint: Checkpoint, sets: ReportSets, engine: VersionedEngine, latencies: Latencies, *, concurrency: int
) -> Measurements:
    """Measure everything but the latencies. Raises: EngineDead."""
    predictions = await evaluate.predict(sets.samples, engine, concurrency=concurrency, passes=tables.PASSES)
    others: dict[str, tuple[str, Sequence[Prediction]]] = {}
    for name, (title, samples) in sets.others.items():
        passes = await evaluate.predict(samples, engine, concurrency=concurrency, passes=evaluate.OWN)
        others[name] = title, passes["own"]
    own = predictions[table_1.OWN]
    cards = await examples.draw_examples(sets.samples, own, checkpoint, engine, version=engine.version)
    picked = examples.pick_examples(own, MAPPED_IMAGES)
    mapped = [*picked["right"][:2], *picked["corrected"]][:MAPPED_IMAGES]
    scanned = await attention_map.scan_samples([sets.samples[number] for number in mapped], engine)
    return Measurements(predictions, others, latencies, cards, scanned, engine.version)
