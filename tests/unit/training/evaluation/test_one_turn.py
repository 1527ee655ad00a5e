import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead, GenerationFailed, ZoomInError
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from training.evaluation import one_turn
from training.evaluation.one_turn import OneTurn
from training.evaluation.samples import Sample

CARD = CheckpointCard(
    box_frame="thousand", calibration=Calibration(temperature=1.0, bias=5.0), scan_calibration=Scaling(bias=-5.0)
)
SAMPLE = Sample(
    0,
    RgbImage(Image.new("RGB", (400, 200)), "png"),
    Verdict.GENERATED,
    (),
    "Crop 1: a seam.",
    "web",
    reference_scan="The tone looks too vivid.",
)


class Once:
    """Answers whatever it is asked in the form of the query, and remembers it."""

    card = CARD

    def __init__(self, fails: ZoomInError | None = None) -> None:
        self.asked: list[Query] = []
        self.fails = fails

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        self.asked.append(query)
        if self.fails:
            raise self.fails
        if query.grammar == prompts.SCAN_GRAMMAR:
            return Answer(prompts.render_scan(Verdict.GENERATED, [(0, 0, 500, 500)], "Vivid."), 0.5)
        return Answer(prompts.render_check(Verdict.GENERATED, "Vivid."), 0.5)


@pytest.mark.parametrize(
    ("variant", "grammar", "regions"),
    [
        ("one_turn_eg", prompts.SCAN_GRAMMAR, (BoundingBox(0, 0, 200, 100),)),
        ("one_turn_e", prompts.CHECK_GRAMMAR, ()),
    ],
)
async def test_one_query_gives_the_one_verdict(
    variant: OneTurn, grammar: str, regions: tuple[BoundingBox, ...]
) -> None:
    engine = Once()
    prediction = await one_turn.predict_one_turn(SAMPLE, engine, variant)
    (query,) = engine.asked
    assert (query.grammar, len(query.images)) == (grammar, 1)
    assert prediction.scan_verdict is prediction.check_verdict is Verdict.GENERATED
    assert (prediction.regions, prediction.explanation, prediction.source) == (regions, "Vivid.", "web")
    assert prediction.reference == "The tone looks too vivid.", "what it was trained to say, not what crops show"
    assert prediction.p_generated_raw == 0.5
    assert prediction.p_generated is not None
    published = Verdict.REAL if variant == "one_turn_eg" else Verdict.GENERATED
    assert prediction.published_verdict is published, "each query has its own calibration on the card"
    assert abs(prediction.p_generated - 0.5) > 0.4


async def test_no_answer_counts_as_wrong_and_a_dead_engine_ends_it() -> None:
    prediction = await one_turn.predict_one_turn(SAMPLE, Once(GenerationFailed("dropped")), "one_turn_e")
    assert (prediction.parsed, prediction.reference) == (False, "The tone looks too vivid.")
    with pytest.raises(EngineDead):
        await one_turn.predict_one_turn(SAMPLE, Once(EngineDead("gone")), "one_turn_e")
