"""The report that sets two checkpoints side by side over the same images: its numbers, and its table as text."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.checkpoint import Checkpoint
from training.dataset import broken
from training.dataset.left_out import LeftOut
from training.engine.caching import CachingEngine
from training.engine.run import EngineSetup, OnEngine
from training.engine.stored_answers import VersionedEngine
from training.evaluation import comparison, evaluate
from training.evaluation.samples import Sample
from training.evaluation.summary import Json
from training.reports import page, scene_limits
from training.reports.examples import ComparedModel
from training.reports.page import format_interval, format_share, format_signed


def predict_with(
    checkpoint: Checkpoint, samples: Sequence[Sample], setup: EngineSetup, on_engine: OnEngine
) -> ComparedModel:
    """Return the checkpoint with its predictions; its engine is closed by then and answers from its cache alone."""

    async def predict_all(engine: VersionedEngine) -> ComparedModel:
        caching = CachingEngine(engine)
        predictions = await evaluate.predict(samples, caching, concurrency=setup.concurrency, passes=evaluate.OWN)
        return ComparedModel(checkpoint, caching, engine.version, predictions["own"])

    return on_engine(checkpoint, setup, predict_all)


def build_comparison(a: ComparedModel, b: ComparedModel, left_out: Sequence[LeftOut], *, title: str) -> Json:
    """Return the numbers of the report; `title` names the set that both saw, without the broken files `left_out`."""
    models = {
        key: {"name": model.checkpoint.name, "revision": model.checkpoint.revision}
        for key, model in (("a", a), ("b", b))
    }
    are_scenes = scene_limits.are_scenes(prediction.reference for prediction in a.predictions)
    return {
        **models,
        "set": page.describe_set(title, [prediction.label for prediction in a.predictions]),
        "left_out": broken.convert_to_json(left_out),
        "engine": b.version,
        "made_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "figures": comparison.compare_metrics(a.predictions, b.predictions),
        "mcnemar": comparison.compute_mcnemar(a.predictions, b.predictions),
        # The bound of the view alone: the other lines are about passes that this report does not make.
        "by_construction": scene_limits.list_scene_limits()[:1] if are_scenes else [],
    }


def format_comparison(numbers: Json) -> str:
    """Return each metric of both and their difference as text."""
    lines = [f"{'':36} {'A':>7} {'B':>7} {'B - A':>7}"]
    lines += [
        f"{row['title']:36} {format_share(row['a']):>7} {format_share(row['b']):>7} "
        f"{format_signed(row['difference']):>7}  [{format_interval(row['difference'])}]"
        for row in numbers["figures"]
    ]
    lines += [
        f"McNemar, {row['figure']}: only A right on {row['only_a']}, only B on {row['only_b']}; p = {row['p']:.4g}"
        for row in numbers["mcnemar"]
    ]
    return "\n".join(lines)
