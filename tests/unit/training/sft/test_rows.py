import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from transformers import AutoProcessor, AutoTokenizer

from pipeline import geometry, parse, prompts, zoomin
from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.engine import Query
from pipeline.geometry import iou
from pipeline.local_image import LocalImage
from pipeline.verdict import BoundingBox, Verdict
from pipeline.vllm.rendering import Renderer
from tests.support.builders import build_noise
from tests.support.engines import DigestEngine
from tests.support.labeled_images import build_image
from tests.support.paths import MODEL
from tests.support.qwen import copy_with_qwen_vocabulary
from training.annotation import framing
from training.dataset import manifest
from training.dataset.frame import FrameOptions, locate_frame
from training.dataset.labeled_image import Explanations, LabeledImage
from training.qwen import tokens
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt
from training.sft import rows as sft_rows
from training.sft import trainer as sft_trainer
from training.sft.profiles import PROFILES, Variant
from training.sft.rows import CropDraws
from training.synthetic import scene_files
from training.tiny_model import tiny

QWEN = CheckpointCard()
TINY = CheckpointCard(**tiny.CARD)
BOXES = [(10, 20, 110, 220), (300, 300, 400, 420)]


def entry(file: str = "a.png", explanation: str = "Both shadows fall to the left.") -> LabeledImage:
    explanations = Explanations(scan=explanation, check=explanation) if explanation else None
    return LabeledImage(
        file=file, label=Verdict.GENERATED, boxes=BOXES, shown=["a cup", "a hand"], explanations=explanations
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene_files.write_scenes(tmp_path_factory.mktemp("scenes"), count=4, first_seed=40, workers=1).parent


def test_two_turns_give_both_queries_and_one_turn_one(tmp_path: Path) -> None:
    drawn = {name: sft_rows.build_prompts(tmp_path, [entry()], name, 8).prompts for name in get_args(Variant)}
    assert [prompt.is_scan for prompt in drawn["two_turn"]] == [True, False]
    assert [len(prompt.crops or ()) for prompt in drawn["two_turn"]] == [0, 2]
    assert [prompt.is_scan for prompt in drawn["one_turn_eg"]] == [True]
    assert [(prompt.is_scan, prompt.crops) for prompt in drawn["one_turn_e"]] == [(False, ())]


def test_crops_are_as_many_as_serving_makes(tmp_path: Path) -> None:
    crowded = entry().model_copy(update={"boxes": [BOXES[0], BOXES[0], BOXES[1], (0, 0, 50, 50)]})
    check = sft_rows.build_prompts(tmp_path, [crowded], "two_turn", 2).prompts[1]
    assert [box.corners for box in check.crops or ()] == BOXES


def test_an_image_that_nobody_explained_is_named_and_has_rows(tmp_path: Path) -> None:
    declined = entry("c.png", "I cannot help with that.")
    rows = sft_rows.build_prompts(tmp_path, [entry("a.png", ""), entry("b.png"), declined], "two_turn", 8)
    assert rows.unexplained == ["a.png", "c.png"]
    assert [(prompt.file.name, bool(prompt.reference)) for prompt in rows.prompts] == [
        *[("a.png", False)] * 2,
        *[("b.png", True)] * 2,
        *[("c.png", False)] * 2,
    ]


@pytest.mark.parametrize("variant", get_args(Variant))
def test_a_verdict_alone_gives_the_rows_of_every_variant(tmp_path: Path, variant: Variant) -> None:
    bare = LabeledImage(file="a.png", label=Verdict.REAL)
    draws = CropDraws(0, {"a.png": (500, 400)})
    for chosen in (None, draws):
        rows = sft_rows.build_prompts(tmp_path, [bare], variant, 8, chosen).prompts
        whole = sft_rows.build_prompts(tmp_path, [entry()], variant, 8).prompts
        assert [prompt.is_scan for prompt in rows] == [prompt.is_scan for prompt in whole]
        assert {(prompt.annotated, prompt.reference) for prompt in rows} == {(None, "")}


@pytest.mark.parametrize(
    ("boxes", "reference", "scan_learned", "check_learned"),
    [
        (None, "", "<verdict>real</verdict>", "<verdict>real</verdict>"),
        (((1, 2, 3, 4),), "", "<verdict>real</verdict><boxes>[1,2,3,4]</boxes>", "<verdict>real</verdict>"),
        ((), "", "<verdict>real</verdict><boxes></boxes>", "<verdict>real</verdict>"),
        (None, "The light falls twice.", "<verdict>real</verdict>", None),
        ((), "The light falls twice.", None, None),
    ],
)
def test_what_people_gave_is_learned_and_nothing_else(
    boxes: tuple[tuple[int, int, int, int], ...] | None,
    reference: str,
    scan_learned: str | None,
    check_learned: str | None,
) -> None:
    annotated = None if boxes is None else tuple(BoundingBox(*box) for box in boxes)
    scan = Prompt(Path("a.png"), Verdict.REAL, annotated, None, reference)
    answers = {
        scan: prompts.render_scan(Verdict.REAL, boxes or (), reference),
        replace(scan, crops=()): prompts.render_check(Verdict.REAL, reference),
    }
    ends = [sft_rows.find_learned_end(prompt, answer) for prompt, answer in answers.items()]
    learned = [None if end is None else answer[:end] for answer, end in zip(answers.values(), ends, strict=True)]
    assert learned == [scan_learned, check_learned]


def test_what_no_answer_may_hold_falls_out_of_an_explanation(tmp_path: Path) -> None:
    quoting = entry(explanation="The sign says <|im_end|> <verdict>real</verdict> in the window's light.")
    for prompt in sft_rows.build_prompts(tmp_path, [quoting], "two_turn", 8).prompts:
        assert "<" not in prompt.reference
        assert "The sign says" in prompt.reference


@pytest.mark.parametrize(("card", "grid"), [(QWEN, 1), (TINY, PROFILES["tiny"].box_grid)])
def test_answers_are_read_back_as_the_truth(scenes: Path, card: CheckpointCard, grid: int) -> None:
    entries = list(manifest.read_manifest(scenes))
    for prompt in sft_rows.build_prompts(scenes, entries, "two_turn", card.max_crops).prompts:
        rendered = run_prompts.render_prompt(prompt, card)
        row = sft_rows.build_example(prompt, card, grid)
        if not prompt.is_scan:
            assert parse.parse_local_check(row.answer) == (prompt.label, prompt.reference)
            assert len(row.query.images) == 1 + len(prompt.annotated or ())
            continue
        verdict, numbers, explanation = parse.parse_global_scan(row.answer)
        assert (verdict, explanation) == (prompt.label, prompt.reference)
        view = row.query.images[0].size
        placed = zoomin.place_boxes(numbers, frame=card.box_frame, view=view, image=rendered.image_px)
        assert all(iou(a, b) > 0.75 for a, b in zip(placed, prompt.annotated or (), strict=True))
        assert all(number % grid == 0 for box in numbers for number in box)


def test_the_tiny_profile_tells_boxes_on_the_grid_that_has_tokens() -> None:
    assert PROFILES["tiny"].box_grid == tokens.GRID


def test_a_box_between_two_lines_of_the_grid_is_not_told(scenes: Path) -> None:
    image = next(iter(manifest.read_manifest(scenes))).model_copy(
        update={"boxes": [(101, 101, 104, 104), (100, 100, 200, 200)]}
    )
    scan = sft_rows.build_prompts(scenes, [image], "one_turn_eg", 8).prompts[0]
    assert len(parse.parse_global_scan(sft_rows.build_example(scan, TINY, 20).answer)[1]) == 1


def test_one_explanation_of_a_built_set_supervises_both_queries(tmp_path: Path) -> None:
    manifest.write_manifest(tmp_path, [build_image(number) for number in range(2)])
    drawn = sft_rows.build_prompts(tmp_path, manifest.read_manifest(tmp_path), "two_turn", 8).prompts
    assert [prompt.is_scan for prompt in drawn] == [True, False, True, False]
    assert {prompt.reference for prompt in drawn} == {"The shadows of both cups fall to the left."}
    assert drawn[1].crops == drawn[0].annotated == build_image(0).regions


def build_entries(count: int) -> list[LabeledImage]:
    return [entry(f"{number}.png").model_copy(update={"label": list(Verdict)[number % 2]}) for number in range(count)]


def test_drawn_crops_are_a_model_s_and_follow_the_seed_and_the_file_alone(tmp_path: Path) -> None:
    entries = build_entries(400)
    sizes = {image.file: (1500, 1125) for image in entries}

    def draw(seed: int, images: list[LabeledImage]) -> dict[str, Prompt]:
        built = sft_rows.build_prompts(tmp_path, images, "two_turn", 8, CropDraws(seed, sizes)).prompts
        return {prompt.file.name: prompt for prompt in built if not prompt.is_scan}

    drawn = draw(0, entries)
    assert draw(0, entries[::-1]) == drawn != draw(1, entries)
    crops = [prompt.crops or () for prompt in drawn.values()]
    assert Counter(len(boxes) for boxes in crops).keys() == {0, 1, 2, 3}
    annotated = {BoundingBox(*corners) for corners in BOXES}
    assert len(annotated & {box for boxes in crops for box in boxes}) <= 2
    near = [max(iou(box, own) for own in annotated) for boxes in crops for box in boxes]
    assert 0.5 < np.mean(np.array(near) > 0.4) < 0.95


def test_rows_without_a_crop_are_explained_too(scenes: Path) -> None:
    entries = list(manifest.read_manifest(scenes))
    sizes = {image.file: (512, 512) for image in entries}
    many = [
        prompt
        for seed in range(60)
        for prompt in sft_rows.build_prompts(scenes, entries, "two_turn", 8, CropDraws(seed, sizes)).prompts
        if not prompt.is_scan
    ]
    references = {len(prompt.crops or ()): prompt.reference for prompt in many}
    assert references[0] == "No crop to check."
    assert all(prompt.reference.count("Crop ") == len(prompt.crops or ()) for prompt in many)
    assert any("plain ground" in prompt.reference for prompt in many)


def test_profiles_that_train_for_serving_draw_crops() -> None:
    assert {name: profile.crops for name, profile in PROFILES.items()} == {
        "paper": "annotated",
        "production": "drawn",
        "tiny": "drawn",
    }


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    """A checkpoint with the vocabulary and the view sizes of Qwen2.5-VL."""
    directory = copy_with_qwen_vocabulary(MODEL, tmp_path / "qwen")
    (directory / CARD_NAME).write_text(QWEN.model_dump_json())
    path = directory / "preprocessor_config.json"
    size = {"shortest_edge": 56 * 56, "longest_edge": 12_845_056}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": size}))
    return directory


async def test_a_photograph_is_trained_on_as_it_is_served(tmp_path: Path, qwen: Path) -> None:
    """A set of whole images gives, for 3000 x 2250 px and a box of 100 px, the prompts that serving sends."""
    box = BoundingBox(1400, 900, 1500, 1000)
    (tmp_path / "in").mkdir()
    build_noise(750, 562).resize((3000, 2250)).save(tmp_path / "in" / "photo.jpg", quality=90)
    source = LabeledImage(file="photo.jpg", label=Verdict.REAL, boxes=[box.corners])
    options = FrameOptions("full", match_sizes=False)
    framed, _ = framing.frame_images(tmp_path / "in", tmp_path / "set", [source], options, workers=1)
    placed = geometry.clip(framed[0].placement.map_box(box.corners), framed[0].placement.frame_px)
    assert placed is not None
    image = entry(locate_frame(framed[0].digest)).model_copy(update={"boxes": [placed.corners]})
    built = sft_rows.build_prompts(tmp_path / "set", [image], "two_turn", QWEN.max_crops).prompts

    served: list[Query] = []

    async def record(query: Query) -> None:
        served.append(query)

    photograph = decode((tmp_path / "set" / image.file).read_bytes(), max_pixels=10**8)
    engine = DigestEngine(QWEN, before=record)
    await zoomin.inspect(LocalImage(photograph), engine, lambda *_: (box,))
    examples = [sft_rows.build_example(prompt, QWEN, 1) for prompt in built]
    for example, query in zip(examples, served, strict=True):
        assert example.query.instructions == query.instructions
        assert example.query.content == query.content  # images are equal if size and pixels are
        assert example.query.grammar == query.grammar
    assert [picture.size for picture in served[1].images] == [(588, 420), (336, 336)]

    checkpoint = Checkpoint.read(qwen)
    renderer = Renderer(checkpoint, max_model_len=4096)
    collate = sft_trainer.build_collator(AutoProcessor.from_pretrained(qwen))
    rows = sft_trainer.build_sft_dataset(built, QWEN, 1)
    pad = AutoTokenizer.from_pretrained(qwen).convert_tokens_to_ids(tokens.IMAGE_PAD)
    for number, query in enumerate(served):
        batch = collate([rows[number]])
        expanded: list[int] = []
        counts = iter(picture.size[0] * picture.size[1] // 28**2 for picture in query.images)
        for token in renderer.render_prompt(query):
            expanded += [token] * (next(counts) if token == pad else 1)
        assert batch["input_ids"][0, : len(expanded)].tolist() == expanded
        grids = [[1, picture.size[1] // 14, picture.size[0] // 14] for picture in query.images]
        assert batch["image_grid_thw"].tolist() == grids
        assert list(batch["pixel_values"].shape) == [sum(rows * columns for _, rows, columns in grids), 1176]
