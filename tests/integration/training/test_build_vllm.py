"""MagniFake over vLLM's own OpenAI server: the protocol as a real server speaks it, boxes of a real model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from pipeline import images
from pipeline.errors import AnswerUnreadable, BadSettings, GenerationFailed, ZoomInError
from pipeline.verdict import BoundingBox
from tests.conftest import present
from tests.support.servers.vllm_server import KEY, NAME, VllmServer
from training.annotation import annotation
from training.annotation import build as magnifake
from training.annotation.build import BuildPlan
from training.annotation.endpoint import Endpoint, Question, VisionChat
from training.common.journal import Journal
from training.dataset.frame import FrameOptions
from training.evaluation import metrics
from training.synthetic import scenes

pytestmark = pytest.mark.timeout(1200)
COUNT = 16
VIEW = Image.new("RGB", (504, 504), "gray")


@pytest.fixture(scope="module")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    server = present(VllmServer(tmp_path_factory.mktemp("vllm")).start)
    yield server
    server.stop()


def endpoint(server: VllmServer, **fields: object) -> Endpoint:
    plain = {
        "role": "ground",
        "url": server.url,
        "key": SecretStr(KEY),
        "model": NAME,
        "usd_per_million": (1.0, 2.0),
        "timeout_s": 120.0,
        "attempts": 2,
    }
    return Endpoint(**(plain | fields))  # type: ignore[arg-type]


def mean(overlaps: list[float | None]) -> float:
    return sum(overlap or 0.0 for overlap in overlaps) / len(overlaps)


def test_a_set_is_built_from_what_a_real_model_says(vllm_server: VllmServer, tmp_path: Path) -> None:
    drawn = [scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(COUNT)]
    for number, scene in enumerate(drawn):
        path = tmp_path / "in" / scene.label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.encode_png(scene.image.pixels))
    asked = endpoint(vllm_server)
    plan = BuildPlan(
        source=tmp_path / "in",
        out=tmp_path / "out",
        explain=endpoint(vllm_server, role="explain"),
        ground=asked,
        labels_only=False,
        framing=FrameOptions(),
        box_frame="thousand",
        seed=0,
        least_per_class=3,
        workers=1,
        concurrency=4,
    )
    built = magnifake.build(plan)
    assert len(built.images) + len(built.left_out) == COUNT
    assert len(built.images) > COUNT / 2
    assert all("check " in one.explanation for one in built.images)
    own, strangers = (
        [
            metrics.iou_f1(
                one.regions, drawn[(int(Path(one.require_provenance().source_file).stem) + step) % COUNT].boxes
            )
            for one in built.images
        ]
        for step in (0, 1)
    )
    assert mean(own) > 0.4 > 3 * mean(strangers)
    for spent in built.spent.values():
        assert spent.requests >= COUNT
        assert spent.prompt_tokens > 100 * spent.requests
        assert spent.usd == pytest.approx((spent.prompt_tokens + 2 * spent.answer_tokens) / 1e6)


@pytest.mark.parametrize(
    ("fields", "question", "error"),
    [
        (
            {"key": SecretStr("sk-other")},
            annotation.build_purification_question(VIEW, BoundingBox(1, 1, 90, 90)),
            BadSettings,
        ),
        ({"model": "gpt-4o"}, annotation.build_purification_question(VIEW, BoundingBox(1, 1, 90, 90)), BadSettings),
        ({}, Question("Too much is asked for.", VIEW, 100_000), GenerationFailed),
        ({}, Question("Too little is allowed.", VIEW, 1), AnswerUnreadable),
    ],
)
async def test_what_a_real_server_refuses_has_its_error(
    vllm_server: VllmServer, tmp_path: Path, fields: dict[str, object], question: Question, error: type[ZoomInError]
) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        async with VisionChat(endpoint(vllm_server, **fields), journal) as chat:
            with pytest.raises(error):
                await chat.ask(question, str)
