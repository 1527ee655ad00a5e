from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import EngineDead
from pipeline.verdict import RgbImage, Verdict
from tests.support import qwen
from tests.support.engines import DigestEngine
from tests.support.live_images import LiveImages, write_set
from tests.support.paths import MODEL
from training.evaluation import overlay
from training.evaluation.samples import Sample, read_samples

REAL, GENERATED = Verdict.REAL, Verdict.GENERATED
CARD = CheckpointCard(box_frame="thousand", scan_max_pixels=140 * 140, crop_max_pixels=140 * 140)
GRAY = RgbImage(Image.new("RGB", (512, 512), "gray"), "png")


def samples(count: int) -> list[Sample]:
    """Plain grounds of different brightness; every second one is generated."""
    return [
        Sample(
            number, RgbImage(Image.new("RGB", (512, 512), (100 + number,) * 3), "png"), list(Verdict)[number % 2], ()
        )
        for number in range(count)
    ]


class Obedient:
    """Knows the truth from the ground's brightness, and says real where `obeys` finds letters in the view."""

    card = CARD

    def __init__(self, *, fraction: float, mute: bool = False) -> None:
        self._fraction = fraction
        self._mute = mute

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        view = np.asarray(query.images[0].pixels)
        number = int(view[0, 0, 0]) - 100
        lettered = view.max() > 180
        truth = list(Verdict)[number % 2]
        verdict = REAL if lettered and (number // 2) % 10 < 10 * self._fraction else truth
        if query.grammar == prompts.SCAN_GRAMMAR:
            return Answer(prompts.render_scan(verdict, [], "Seen."), 0.5)
        return Answer("<verdict>no" if self._mute and lettered else prompts.render_check(verdict, "Seen."), 0.5)


def changed_rows(image: Image.Image, other: Image.Image) -> Iterable[int]:
    return np.flatnonzero((np.asarray(image) != np.asarray(other)).any((1, 2))).tolist()


@pytest.mark.parametrize("text", overlay.TEXTS.values())
@pytest.mark.parametrize("size", [(512, 512), (2000, 300), (90, 400)])
def test_text_lies_over_the_lower_part_and_fits(text: str, size: tuple[int, int]) -> None:
    ground = RgbImage(Image.new("RGB", size, "gray"), "png")
    drawn = overlay.draw_text(ground, text)
    assert drawn.size_px == size
    rows = list(changed_rows(ground.pixels, drawn.pixels))
    assert rows
    assert min(rows) > size[1] * 0.5
    assert ground.pixels.getcolors() == [(size[0] * size[1], (128, 128, 128))], "the image itself is left alone"


@pytest.mark.parametrize("ground", ["white", "black", "gray"])
def test_letters_are_legible_on_any_ground(ground: str) -> None:
    drawn = overlay.draw_text(RgbImage(Image.new("RGB", (512, 512), ground), "png"), overlay.TEXTS["claim"])
    gray = np.asarray(drawn.pixels.convert("L")).astype(int)
    assert gray[256:].max() - gray[256:].min() > 200


@pytest.mark.parametrize("text", overlay.TEXTS.values())
def test_nonsense_has_the_letters_of_its_order_and_its_blanks_in_place(text: str) -> None:
    shuffled = overlay.shuffle_letters(text)
    assert sorted(shuffled) == sorted(text)
    assert shuffled != text
    assert [at for at, letter in enumerate(shuffled) if letter == " "] == [at for at, c in enumerate(text) if c == " "]


def everything(verdicts: list[Verdict], **differently: list[Verdict]) -> dict[str, list[Verdict]]:
    """The same verdicts whatever is drawn, but for the orders that are named."""
    orders = overlay.TEXTS.values()
    same = dict.fromkeys([overlay.PLAIN, *orders, *map(overlay.shuffle_letters, orders)], verdicts)
    return same | {overlay.TEXTS[name]: verdicts for name, verdicts in differently.items()}


async def test_verdicts_that_a_text_turns_are_counted() -> None:
    drawn = samples(40)
    verdicts = await overlay.predict_overlays(drawn, Obedient(fraction=0.5), concurrency=4)
    acc, effects = overlay.measure_effects([sample.label for sample in drawn], verdicts)
    assert acc.value == 1.0
    assert set(effects) == set(overlay.TEXTS)
    claim = effects["claim"]
    assert (claim.changed.value, claim.to_real.value, claim.acc.value) == (0.25, 0.5, 0.75)
    assert (claim.changed.n, claim.to_real.n) == (40, 20)
    assert claim.beyond_nonsense.value == 0.0, "letters without a meaning did the same"


async def test_an_answer_that_text_makes_unreadable_is_a_changed_verdict_and_a_wrong_one() -> None:
    drawn = samples(6)
    verdicts = await overlay.predict_overlays(drawn, Obedient(fraction=0, mute=True), concurrency=4)
    _, effects = overlay.measure_effects([sample.label for sample in drawn], verdicts)
    assert (effects["template"].changed.value, effects["template"].acc.value) == (1.0, 0.0)
    assert effects["template"].to_real.value == 0.0


async def test_few_images_and_copies_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = read_samples(write_set(tmp_path, 12), 12)
    live = LiveImages(monkeypatch)
    verdicts = await overlay.predict_overlays(drawn, DigestEngine(CARD), concurrency=2)
    assert {len(under_text) for under_text in verdicts.values()} == {12}
    assert live.total >= 12 * (1 + len(verdicts))
    assert live.most <= 2 * 3, "of each image at once: itself, its copy, and the copy before it"


async def test_a_dead_engine_ends_it_with_its_own_error() -> None:
    engine = DigestEngine(CARD)
    await engine.close()
    with pytest.raises(EngineDead):
        await overlay.predict_overlays(samples(3), engine, concurrency=2)


def test_what_an_order_does_beyond_nonsense_is_what_was_read() -> None:
    drawn = samples(4)
    truth = [sample.label for sample in drawn]
    verdicts = everything(truth, verdict=[REAL] * 4)
    _, effects = overlay.measure_effects([sample.label for sample in drawn], verdicts)
    assert effects["verdict"].beyond_nonsense.value == 0.5
    assert effects["claim"].beyond_nonsense.value == 0.0


def test_the_table_and_the_json_say_when_the_figures_say_nothing() -> None:
    drawn = samples(4)
    acc, effects = overlay.measure_effects([sample.label for sample in drawn], everything([REAL] * 4))
    assert "cannot read" in overlay.format_effects(acc, effects, reads=False)
    assert "cannot read" not in overlay.format_effects(acc, effects, reads=True)
    found = overlay.convert_effects_to_json(acc, effects, reads=False)
    assert found["reads"] is False
    assert found["claim_changed"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 4}
    assert found["template_beyond_nonsense"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 4}


def test_a_vocabulary_without_words_cannot_read(tmp_path: Path) -> None:
    assert not overlay.can_read(MODEL)
    assert overlay.can_read(qwen.copy_with_qwen_vocabulary(MODEL, tmp_path))
