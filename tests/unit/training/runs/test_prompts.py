from functools import partial
from pathlib import Path

import pytest

from pipeline import images, prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import BoundingBox, Verdict
from training.dataset import manifest
from training.dataset.labeled_image import Explanations, LabeledImage
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt
from training.synthetic import scene_files, scenes
from training.tiny_model import tiny

CARD = CheckpointCard(**tiny.CARD)
AWAY = BoundingBox(0, 0, 30, 30)
build_checks = partial(run_prompts.build_check_prompts, max_crops=CARD.max_crops, seed=0)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set")
    entries = [scene_files.write_scene(path, seed) for seed in range(3)]
    (path / manifest.NAME).write_text("".join(entry.model_dump_json() + "\n" for entry in entries))
    return path


@pytest.fixture
def entries(directory: Path) -> list[LabeledImage]:
    return list(manifest.read_manifest(directory))


def test_stage_1_asks_query_1_of_every_image(directory: Path, entries: list[LabeledImage]) -> None:
    built = run_prompts.build_scan_prompts(directory, entries)
    assert [prompt.is_scan for prompt in built] == [True] * 3
    rendered = run_prompts.render_prompt(built[1], CARD)
    scene = scenes.draw_scene(1)
    assert rendered.query.content[0] == images.build_view(scene.image, CARD.scan_max_pixels)
    assert rendered.query.grammar == prompts.SCAN_GRAMMAR
    assert (rendered.prompt.annotated, rendered.prompt.label) == (scene.boxes, Verdict.GENERATED)
    answer = rendered.read_completion("<verdict>real</verdict><boxes>[0,0,500,500]</boxes><explan", truncated=True)
    assert answer.regions == (BoundingBox(0, 0, 256, 256),)


def test_stage_2_asks_query_2_of_crops_as_serving_cuts_them(directory: Path, entries: list[LabeledImage]) -> None:
    own = [(AWAY,)] * 3
    built = build_checks(directory, entries, own, own_fraction=1.0, scan_fraction=0.0)
    rendered = run_prompts.render_prompt(built[0], CARD)
    cut = images.crop(scenes.draw_scene(0).image, AWAY, CARD.crop_max_pixels)
    assert rendered.query.images[1:] == (cut.image,)
    assert rendered.query.grammar == prompts.CHECK_GRAMMAR
    assert rendered.read_completion(prompts.render_check(Verdict.REAL, "words"), truncated=False).explanation == "words"


def test_one_turn_asks_query_2_of_the_image_alone(directory: Path, entries: list[LabeledImage]) -> None:
    built = run_prompts.build_one_turn_prompts(directory, entries)
    assert [prompt.crops for prompt in built] == [()] * 3
    rendered = run_prompts.render_prompt(built[0], CARD)
    assert (len(rendered.query.images), rendered.query.grammar) == (1, prompts.CHECK_GRAMMAR)
    assert [prompt.reference for prompt in built] == [
        entry.explanations.scan for entry in entries if entry.explanations
    ]


def test_crops_come_from_the_model_s_boxes_or_the_annotated_ones(directory: Path, entries: list[LabeledImage]) -> None:
    own = [(AWAY,)] * 3
    annotated = build_checks(directory, entries, own, own_fraction=0.0, scan_fraction=0.0)
    assert [prompt.crops for prompt in annotated] == [entry.regions for entry in entries]
    many = build_checks(directory, entries * 200, own * 200, own_fraction=0.7, scan_fraction=0.3)
    scanned = sum(prompt.is_scan for prompt in many) / len(many)
    of_its_own = sum(prompt.crops == (AWAY,) for prompt in many) / len(many)
    assert scanned == pytest.approx(0.3, abs=0.06)
    assert of_its_own == pytest.approx(0.7 * 0.7, abs=0.06)
    assert many == build_checks(directory, entries * 200, own * 200, own_fraction=0.7, scan_fraction=0.3)


def test_annotated_crops_are_as_many_and_as_distinct_as_serving_s(directory: Path, entries: list[LabeledImage]) -> None:
    """A set may hold more boxes than the card has crops, and the engine that samples has no room for them."""
    corners = [(40 * n, 0, 40 * n + 30, 30) for n in range(6)]
    crowded = entries[0].model_copy(update={"boxes": (corners[0], *corners), "shown": ()})
    (built,) = build_checks(directory, [crowded], [()], own_fraction=0.0, scan_fraction=0.0, max_crops=4)
    assert built.crops == tuple(BoundingBox(*each) for each in corners[:4])
    assert len(built.annotated) == 7, "rewards compare with every annotated box"


def test_where_nobody_drew_the_crops_are_at_the_model_s_boxes(directory: Path, entries: list[LabeledImage]) -> None:
    undrawn = [entry.model_copy(update={"boxes": None, "shown": []}) for entry in entries]
    looked = [entry.model_copy(update={"boxes": [], "shown": []}) for entry in entries]
    bare, found_none = (
        build_checks(directory, images, [(AWAY,)] * 3, own_fraction=0.0, scan_fraction=0.0)
        for images in (undrawn, looked)
    )
    assert [(prompt.crops, prompt.annotated) for prompt in bare] == [((AWAY,), None)] * 3
    assert [(prompt.crops, prompt.annotated) for prompt in found_none] == [((), ())] * 3
    assert [prompt.annotated for prompt in run_prompts.build_scan_prompts(directory, undrawn)] == [None] * 3


def test_query_1_is_only_remembered_in_stage_2(directory: Path, entries: list[LabeledImage]) -> None:
    built = build_checks(directory, entries, [()] * 3, own_fraction=1.0, scan_fraction=1.0)
    assert {prompt.reference for prompt in built} == {""}


def test_the_reference_speaks_of_the_crops_that_are_shown(entries: list[LabeledImage]) -> None:
    entry = next(entry for entry in entries if len(entry.boxes) > 1)
    first, second, *_ = entry.regions
    assert run_prompts.build_check_reference(entry, entry.regions) == entry.explanations.check
    swapped = f"Crop 1: {entry.shown[1]}. Crop 2: plain ground. Crop 3: {entry.shown[0]}."
    assert run_prompts.build_check_reference(entry, [second, AWAY, first]) == swapped
    assert run_prompts.build_check_reference(entry, []) == "No crop to check."


def test_a_set_with_one_text_for_an_image_keeps_it() -> None:
    whole = LabeledImage(file="a.png", label=Verdict.REAL, explanations=Explanations(scan="e", check="e"))
    assert run_prompts.build_check_reference(whole, [AWAY]) == "e"
    assert run_prompts.build_check_reference(whole.model_copy(update={"explanations": None}), [AWAY]) == ""


def test_query_2_may_have_no_crop(directory: Path) -> None:
    rendered = run_prompts.render_prompt(Prompt(directory / "scene-0000000.png", Verdict.REAL, (), ()), CARD)
    assert len(rendered.query.images) == 1
    assert rendered.query.grammar == prompts.CHECK_GRAMMAR
