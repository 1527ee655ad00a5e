"""The measurements of a checkpoint for the paper report: latencies, predictions of every set, cards and scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.checkpoint import Checkpoint
from training.evaluation import evaluate
from training.evaluation.engine import VersionedEngine, run_on_engine
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


def measure_on_engine(checkpoint: Checkpoint, sets: ReportSets, concurrency: int) -> Measurements:
    """Start an engine for the checkpoint, and measure on it. Raises: BadSettings, EngineDead."""

    async def measure_all(engine: VersionedEngine) -> Measurements:
        return await measure_checkpoint(checkpoint, sets, engine, concurrency=concurrency)

    return run_on_engine(checkpoint, concurrency, measure_all)


async def measure_checkpoint(
    checkpoint: Checkpoint, sets: ReportSets, engine: VersionedEngine, *, concurrency: int
) -> Measurements:
    """Measure latencies first, as only then every image is new to the engine, and then everything else.

    Raises: EngineDead.
    """
    latencies = await latency.measure_latency(sets.samples[:TIMED_IMAGES], engine)
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
