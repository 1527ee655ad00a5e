"""Predictions of a checkpoint that was trained for one turn: from Query 1 alone, or Query 2 without crops.

Source: paper section 4.3, the baselines E+G and E.
"""

import asyncio
from dataclasses import replace
from typing import Literal

from pipeline import images, zoomin
from pipeline.engine import VisionEngine
from pipeline.errors import TransientError
from pipeline.verdict import GlobalScan
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample

OneTurn = Literal["one_turn_e", "one_turn_eg"]


async def predict_one_turn(sample: Sample, engine: VisionEngine, variant: OneTurn) -> Prediction:
    """Return a prediction whose two verdicts are the one of the answer; both are None when it cannot be read.

    Raises: EngineDead.
    """
    unread = Prediction(
        sample.label,
        None,
        None,
        (),
        sample.annotated,
        reference=sample.reference_scan,
        source=sample.source,
        weight=sample.weight,
        undrawn=sample.undrawn,
    )
    view = await asyncio.to_thread(images.build_view, sample.image, engine.card.scan_max_pixels)
    try:
        answer = (
            await zoomin.run_global_scan(sample.image.size_px, view, engine)
            if variant == "one_turn_eg"
            else await zoomin.run_local_check(view, (), engine)
        )
    except TransientError:
        return unread
    prediction = replace(
        unread,
        scan_verdict=answer.verdict,
        check_verdict=answer.verdict,
        regions=answer.regions if isinstance(answer, GlobalScan) else (),
        explanation=answer.explanation,
    )
    if isinstance(answer, GlobalScan):
        return prediction.apply(engine.card.decide_scan(answer.p_generated))
    return prediction.apply(engine.card.decide_check(answer.p_generated, sample.source))
