"""A checkpoint that was trained for one turn, asked in one turn: Query 1 alone, or Query 2 on the image without crops.

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


async def judge(sample: Sample, engine: VisionEngine, variant: OneTurn) -> Prediction:
    """Its one verdict stands as both; without a readable answer both are None.

    Raises: EngineDead.
    """
    judged = Prediction(
        sample.label, None, None, (), sample.annotated, reference=sample.reference_scan, source=sample.source
    )
    view = await asyncio.to_thread(images.view, sample.image, engine.card.scan_max_pixels)
    try:
        answer = (
            await zoomin.global_scan(sample.image, view, engine)
            if variant == "one_turn_eg"
            else await zoomin.local_check(view, (), engine)
        )
    except TransientError:
        return judged
    regions = answer.regions if isinstance(answer, GlobalScan) else ()
    said = replace(judged, v1=answer.verdict, v2=answer.verdict, regions=regions, explanation=answer.explanation)
    return replace(said, p_generated_raw=answer.p_generated).under(engine.card)
