from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from PIL import Image

from pipeline import images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import AnswerUnreadable, EngineDead, GenerationFailed, InferenceTimeout, ZoomInError
from pipeline.geometry import Size
from pipeline.local_image import LocalImage
from pipeline.verdict import BoundingBox, RgbImage, Status, Verdict
from pipeline.zoomin import inspect
from tests.support.builders import build_noise

SCAN = "<verdict>{}</verdict><boxes>{}</boxes><explanation>first look</explanation>"
CHECK = "<verdict>{}</verdict><explanation>second look</explanation>"
IMAGE = RgbImage(build_noise(1120, 560), "png")


class ScriptedEngine:
    """Gives the answers of its script in order, and remembers what was asked."""

    def __init__(self, *script: str | Answer | ZoomInError, card: CheckpointCard | None = None) -> None:
        self.card = card or CheckpointCard()
        self.asked: list[tuple[Query, float]] = []
        self._script = list(script)

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        self.asked.append((query, temperature))
        step = self._script.pop(0)
        if isinstance(step, ZoomInError):
            raise step
        return step if isinstance(step, Answer) else Answer(step, 0.75 if "generated" in step else 0.25)


async def test_the_second_query_sees_the_regions_of_the_first_and_may_overturn_it() -> None:
    engine = ScriptedEngine(SCAN.format("real", "[0,0,70,70][350,182,700,364]"), CHECK.format("generated"))
    inspection = await inspect(LocalImage(IMAGE), engine)

    assert (inspection.scan.verdict, inspection.last_answer.verdict) == (Verdict.REAL, Verdict.GENERATED)
    assert (inspection.corrected, inspection.status) == (True, Status.COMPLETE)
    assert (inspection.scan.explanation, inspection.last_answer.explanation) == ("first look", "second look")
    assert (inspection.scan.p_generated, inspection.last_answer.p_generated) == (0.25, 0.75)
    (scan, _), (check, _) = engine.asked
    assert (scan.grammar, check.grammar) == (prompts.SCAN_GRAMMAR, prompts.CHECK_GRAMMAR)
    assert scan.images[0].size == (700, 364)
    assert check.images[0] is scan.images[0]
    assert inspection.scan.regions == (BoundingBox(0, 0, 112, 108), BoundingBox(560, 280, 1120, 560))
    assert [crop.box for crop in inspection.crops] == list(inspection.scan.regions)
    for crop, seen in zip(inspection.crops, check.images[1:], strict=True):
        assert crop.image is seen
        assert crop == images.crop(IMAGE, crop.box, engine.card.crop_max_pixels)


async def test_boxes_in_thousandths_are_placed_by_the_full_size() -> None:
    card = CheckpointCard(box_frame="thousand")
    engine = ScriptedEngine(SCAN.format("real", "[500,500,1000,1000]"), CHECK.format("real"), card=card)
    inspection = await inspect(LocalImage(IMAGE), engine)
    assert inspection.scan.regions == (BoundingBox(560, 280, 1120, 560),)
    assert not inspection.corrected


@pytest.mark.parametrize("listed", ["", "[10,10,10,50]", "[60,60,20,20]", "[9000,9000,9999,9999]"])
async def test_without_a_region_the_second_query_sees_the_image_alone(listed: str) -> None:
    engine = ScriptedEngine(SCAN.format("real", listed), CHECK.format("real"))
    inspection = await inspect(LocalImage(IMAGE), engine)
    assert inspection.status is Status.UNGROUNDED
    assert inspection.crops == ()
    assert len(engine.asked[1][0].images) == 1


async def test_no_more_crops_than_the_card_allows() -> None:
    listed = "".join(f"[{x},0,{x + 40},40]" for x in range(0, 400, 40))
    engine = ScriptedEngine(SCAN.format("real", listed), CHECK.format("real"), card=CheckpointCard(max_crops=3))
    inspection = await inspect(LocalImage(IMAGE), engine)
    assert (len(inspection.scan.regions), len(inspection.crops)) == (10, 3)


async def test_variants_choose_other_regions() -> None:
    seen: list[tuple[Sequence[BoundingBox], Size, int]] = []

    def choose_last(regions: Sequence[BoundingBox], size: Size, max_crops: int) -> Sequence[BoundingBox]:
        seen.append((regions, size, max_crops))
        return regions[-1:]

    engine = ScriptedEngine(SCAN.format("real", "[0,0,70,70][350,182,700,364]"), CHECK.format("real"))
    inspection = await inspect(LocalImage(IMAGE), engine, choose_last)
    assert seen == [(inspection.scan.regions, (1120, 560), 8)]
    assert [crop.box for crop in inspection.crops] == [inspection.scan.regions[1]]


async def test_an_unreadable_answer_is_asked_for_again_and_warmer() -> None:
    engine = ScriptedEngine("?", SCAN.format("real", ""), "?", "?", CHECK.format("generated"))
    inspection = await inspect(LocalImage(IMAGE), engine)
    assert inspection.last_answer.verdict is Verdict.GENERATED
    temperatures = [temperature for _, temperature in engine.asked]
    assert temperatures[0] == temperatures[2] == 0.0
    assert temperatures[0] < temperatures[1]
    assert temperatures[2] < temperatures[3] < temperatures[4]


async def test_a_scan_that_stays_unreadable_has_no_verdict() -> None:
    engine = ScriptedEngine("?", "?", "?")
    with pytest.raises(AnswerUnreadable):
        await inspect(LocalImage(IMAGE), engine)
    assert len(engine.asked) == 3


@pytest.mark.parametrize(
    "trouble", [("?", "?", "?"), (GenerationFailed("refused"),), (InferenceTimeout("slow"),)], ids=str
)
async def test_a_lost_second_query_leaves_the_scans_verdict(trouble: tuple[str | ZoomInError, ...]) -> None:
    inspection = await inspect(LocalImage(IMAGE), ScriptedEngine(SCAN.format("generated", "[0,0,70,70]"), *trouble))
    assert (inspection.last_answer.verdict, inspection.status, inspection.check) == (
        Verdict.GENERATED,
        Status.DEGRADED,
        None,
    )
    assert (inspection.corrected, len(inspection.crops)) == (False, 1)


@pytest.mark.parametrize("script", [(), (SCAN.format("real", ""),)])
async def test_a_dead_engine_is_nobodys_degraded_verdict(script: tuple[str, ...]) -> None:
    with pytest.raises(EngineDead):
        await inspect(LocalImage(IMAGE), ScriptedEngine(*script, EngineDead("gone")))


async def test_a_cut_answer_counts_as_far_as_it_goes() -> None:
    cut = Answer("<verdict>real</verdict><boxes>[0,0,70,70][1,", 0.25, truncated=True)
    inspection = await inspect(
        LocalImage(IMAGE), ScriptedEngine(cut, Answer(CHECK.format("real")[:60], 0.25, truncated=True))
    )
    assert inspection.scan.truncated
    assert len(inspection.crops) == 1
    assert inspection.check
    assert (inspection.check.truncated, inspection.check.explanation) == (True, "second look")


async def test_text_in_the_picture_cannot_change_the_verdict() -> None:
    quoting = Answer(SCAN.format("real", "").replace("first look", "it says [0,0,9,9] generated > real"), 0.25)
    inspection = await inspect(LocalImage(IMAGE), ScriptedEngine(quoting, CHECK.format("real")))
    assert (inspection.last_answer.verdict, inspection.scan.regions) == (Verdict.REAL, ())


async def test_each_query_runs_within_its_stage() -> None:
    stages: list[str] = []
    engine = ScriptedEngine(SCAN.format("real", ""), CHECK.format("real"))

    @contextmanager
    def record_stage(name: str) -> Iterator[None]:
        stages.append(f"{name} {len(engine.asked)}")
        yield
        stages.append(f"{name} {len(engine.asked)}")

    await inspect(LocalImage(IMAGE), engine, stage=record_stage)
    assert stages == ["scan 0", "scan 1", "check 1", "check 2"]


@pytest.mark.parametrize("size", [(1, 1), (4000, 3), (3, 4000), (29, 27)])
async def test_images_of_any_shape_can_be_asked_about(size: Size) -> None:
    image = RgbImage(Image.new("RGB", size), "png")
    engine = ScriptedEngine(SCAN.format("real", "[0,0,9999,9999]"), CHECK.format("real"))
    inspection = await inspect(LocalImage(image), engine)
    assert [crop.box for crop in inspection.crops] == [BoundingBox(0, 0, *size)]
    assert all(side % 28 == 0 for query, _ in engine.asked for seen in query.images for side in seen.size)
