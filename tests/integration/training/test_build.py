"""MagniFake over HTTP: endpoints that know the scenes' truth, and endpoints that misbehave."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from pipeline import geometry, images
from pipeline.errors import AnswerUnreadable, BadSettings, GenerationFailed, InferenceTimeout, ZoomInError
from tests.support.scene_oracle import SceneOracle
from tests.support.servers.openai_server import ENDING_S, ChatRequest, OpenAiServer, Reply, build_answer, build_refusal
from tests.support.servers.services import eventually
from training.__main__ import main
from training.annotation import build as magnifake
from training.annotation.build import BuildPlan, Built
from training.annotation.endpoint import GIVE_UP_AFTER, Endpoint, Question, VisionChat
from training.common.journal import Journal
from training.dataset import left_out
from training.dataset.frame import FrameOptions
from training.dataset.labeled_image import LabeledImage
from training.errors import EndpointDead, EndpointUnavailable, RateLimited
from training.synthetic import scenes

COUNT = 16
PATIENCE_S = 10.0  # what is not held back is there long before, also on a busy machine
QUESTION = Question("What is it?", Image.new("RGB", (56, 56), "gray"), 20)
EXPLAIN_START, GROUND_START = "This image", "An expert explained"


def endpoint(server: OpenAiServer, **fields: object) -> Endpoint:
    plain = {
        "role": "explain",
        "url": server.url,
        "key": SecretStr("sk-own"),
        "model": "wise",
        "usd_per_million": (2.0, 10.0),
        "timeout_s": 20.0,
        "attempts": 2,
    }
    return Endpoint(**(plain | fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def drawn() -> list[scenes.Scene]:
    return [scenes.draw_scene(scenes.HELD_OUT_SEED + number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def oracle(drawn: list[scenes.Scene]) -> SceneOracle:
    return SceneOracle(drawn)


@pytest.fixture
def source(tmp_path: Path, drawn: list[scenes.Scene]) -> Path:
    """The scenes as people have images: two folders of files."""
    for number, scene in enumerate(drawn):
        path = tmp_path / "in" / scene.label / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.encode_png(scene.image.pixels))
    return tmp_path / "in"


def plan(source: Path, server: OpenAiServer, **fields: object) -> BuildPlan:
    plain = {
        "source": source,
        "out": source.parent / "out",
        "explain": endpoint(server),
        "ground": endpoint(server, role="ground", model="Qwen2.5-VL", usd_per_million=(0.0, 0.0)),
        "labels_only": False,
        "framing": FrameOptions(),
        "box_frame": "pixels",
        "seed": 0,
        "least_per_class": 4,
        "workers": 1,
        "concurrency": 4,
    }
    return BuildPlan(**(plain | fields))  # type: ignore[arg-type]


def number_of(image: LabeledImage) -> int:
    return int(Path(image.require_provenance().source_file).stem)


def test_the_scenes_truth_comes_back_and_injected_boxes_go(
    source: Path, drawn: list[scenes.Scene], oracle: SceneOracle
) -> None:
    with OpenAiServer(oracle.answer) as server:
        built = magnifake.build(plan(source, server))
        assert server.most_at_once <= 4
    assert len(built.images) == COUNT
    overlaps = []
    for one in built.images:
        truth = drawn[number_of(one)].boxes
        assert len(one.boxes) == len(truth)
        overlaps += [geometry.iou(box, own) for box, own in zip(one.regions, truth, strict=True)]
        assert one.explanation == oracle.explain(number_of(one))
        assert one.shown == [detail.shown for detail in drawn[number_of(one)].details]
        assert one.require_provenance().annotated_by == "wise and Qwen2.5-VL"
    assert min(overlaps) > 0.9
    assert built.fates == oracle.expect_fates(range(COUNT))
    assert built.left_out == []


def test_the_label_is_told_and_each_endpoint_has_its_own_key_and_model(source: Path, oracle: SceneOracle) -> None:
    with OpenAiServer(oracle.answer) as server:
        grounder = endpoint(server, role="ground", key=SecretStr(""), model="Qwen2.5-VL")
        built = magnifake.build(plan(source, server, ground=grounder))
        explained = [asked for asked in server.requests if asked.text.startswith(EXPLAIN_START)]
        others = [asked for asked in server.requests if not asked.text.startswith(EXPLAIN_START)]
    assert Counter("generative model. Name" in asked.text for asked in explained) == {
        True: COUNT // 2,
        False: COUNT // 2,
    }
    assert {(asked.body["model"], asked.key) for asked in explained} == {("wise", "sk-own")}
    assert {(asked.body["model"], asked.key) for asked in others} == {("Qwen2.5-VL", "none")}
    assert all(asked.picture.size == (504, 504) for asked in server.requests)
    spent = built.spent["explain"]
    assert (spent.requests, spent.prompt_tokens, spent.answer_tokens) == (COUNT, 100 * COUNT, 10 * COUNT)
    assert spent.usd == pytest.approx(COUNT * (100 * 2 + 10 * 10) / 1e6)


def test_a_build_that_was_cut_short_goes_on_and_asks_nothing_twice(source: Path, oracle: SceneOracle) -> None:
    at_once, explained, asked_for = 8, COUNT - GIVE_UP_AFTER, Counter[str]()
    counting, all_arrived = threading.Lock(), threading.Event()

    def until_broken(asked: ChatRequest) -> Reply:
        """Explains so many that those left reach the limit; none fails before all that was explained has arrived."""
        kind = next((kind for kind in (EXPLAIN_START, GROUND_START) if asked.text.startswith(kind)), "other")
        with counting:
            asked_for[kind] += 1
            broken = kind == EXPLAIN_START and asked_for[kind] > explained
            asked_for["answered"] += not broken
            if asked_for[GROUND_START] == explained:
                all_arrived.set()
        if not broken:
            return oracle.answer(asked)
        all_arrived.wait(ENDING_S)
        return build_refusal(503)

    with OpenAiServer(until_broken) as server, pytest.raises(EndpointDead, match="run the same command again"):
        magnifake.build(plan(source, server, explain=endpoint(server, attempts=1), concurrency=at_once))
    with OpenAiServer(oracle.answer) as server:
        first = magnifake.build(plan(source, server))
        asked = len(server.requests)
        again = magnifake.build(plan(source, server))
        assert len(server.requests) == asked
    answered = asked_for["answered"]
    assert answered - at_once <= sum(spent.remembered for spent in first.spent.values()) <= answered
    assert sum(spent.requests for spent in first.spent.values()) == asked
    assert again.images == first.images
    assert sum(spent.requests for spent in again.spent.values()) == 0


def spoiled(oracle: SceneOracle, spoil: Callable[[int, ChatRequest], Reply | None]) -> Callable[[ChatRequest], Reply]:
    """The oracle's answers but for the scenes and questions that `spoil` has its own for."""

    def answer(asked: ChatRequest) -> Reply:
        return spoil(oracle.recognize_scene(asked), asked) or oracle.answer(asked)

    return answer


def built_with(source: Path, oracle: SceneOracle, spoil: Callable[[int, ChatRequest], Reply | None]) -> Built:
    with OpenAiServer(spoiled(oracle, spoil)) as server:
        once = endpoint(server, role="ground", model="Qwen2.5-VL", timeout_s=PATIENCE_S, attempts=1)
        return magnifake.build(plan(source, server, explain=once, ground=once))


def test_what_an_endpoint_fails_at_is_left_out_by_reason(source: Path, oracle: SceneOracle) -> None:
    spoiling: dict[int, Reply] = {
        1: build_answer("I'm sorry, I can't help with that."),
        2: build_answer(None),
        3: build_refusal(429),
        4: build_refusal(500),
        5: build_refusal(400),
        6: Reply(b"", held=True),
        7: Reply(b"<html>Bad gateway</html>"),
    }
    built = built_with(
        source, oracle, lambda n, asked: spoiling.get(n) if asked.text.startswith(EXPLAIN_START) else None
    )
    assert left_out.count_reasons(built.left_out) == {
        "explanation: answer_unreadable": 3,
        "explanation: rate_limited": 1,
        "explanation: endpoint_unavailable": 1,
        "explanation: generation_failed": 1,
        "explanation: inference_timeout": 1,
    }
    assert len(built.images) == COUNT - len(spoiling)


def test_images_left_without_a_box_stay(source: Path, oracle: SceneOracle) -> None:
    whole = build_answer(json.dumps([{"bbox_2d": [0, 0, 504, 504], "label": "all of it"}]))
    spoiling = {1: build_answer("[]"), 2: whole, 3: build_answer("There is nothing to mark, it is fine as it is.")}
    built = built_with(
        source, oracle, lambda n, asked: spoiling.get(n) if asked.text.startswith(GROUND_START) else None
    )
    assert left_out.count_reasons(built.left_out) == {"grounding: answer_unreadable": 1}
    assert {number_of(one) for one in built.images if not one.boxes} == {1, 2}


def test_a_box_about_which_nobody_answers_stays_and_is_counted(
    source: Path, drawn: list[scenes.Scene], oracle: SceneOracle
) -> None:
    built = built_with(
        source,
        oracle,
        lambda n, asked: build_answer("Hm.") if n == 1 and asked.text.startswith("The red frame") else None,
    )
    (one,) = [one for one in built.images if number_of(one) == 1]
    assert len(one.boxes) == len(drawn[1].boxes) == built.fates.pop(next(f for f in built.fates if "not answered" in f))
    assert built.fates == oracle.expect_fates(range(COUNT))


def test_too_few_images_left_by_an_endpoint_are_refused_with_the_reasons(source: Path, oracle: SceneOracle) -> None:
    with pytest.raises(BadSettings, match=r"too few .*6 explanation: answer_unreadable"):
        built_with(
            source,
            oracle,
            lambda n, asked: build_answer("?") if n % 2 and n > 4 and asked.text.startswith(EXPLAIN_START) else None,
        )


def test_the_command_builds_by_its_settings_and_tells_no_key(
    source: Path,
    oracle: SceneOracle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"

    def refuse_scene_1(asked: ChatRequest) -> Reply:
        return build_refusal(429) if oracle.recognize_scene(asked) == 1 else oracle.answer(asked)

    with OpenAiServer(refuse_scene_1) as server:
        for role in ("EXPLAIN", "GROUND"):
            monkeypatch.setenv(f"ZOOMIN_TRAIN_{role}_URL", server.url)
            monkeypatch.setenv(f"ZOOMIN_TRAIN_{role}_MODEL", role.lower())
            monkeypatch.setenv(f"ZOOMIN_TRAIN_{role}_KEY", "sk-own")
        monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_USD_PER_MILLION", "1000,0")
        monkeypatch.setenv("ZOOMIN_TRAIN_ENDPOINT_ATTEMPTS", "2")
        assert main(["build", str(source), "--out", str(out), "--least", str(COUNT // 2)]) == 2
        assert main(["build", str(source), "--out", str(out), "--json", "--least", str(COUNT // 2 - 1)]) == 0
    assert {asked.key for asked in server.requests} == {"sk-own"}
    said = capsys.readouterr()
    half = COUNT // 2
    assert f"{half - 1} generated (left out: 1 explanation: rate_limited); each class needs {half}" in said.err
    figures = json.loads(said.out.splitlines()[-1])
    assert (figures["figures"]["whole"]["images"], figures["at_chance"]) == (COUNT - 1, True)
    assert figures["left_out"] == {"explanation: rate_limited": 1}
    assert figures["spent"]["explain"]["remembered"] == COUNT - 1
    page = (out / "README.md").read_text()
    assert "| explanation: rate_limited | 1 |" in page
    assert f"{COUNT - 1} images by explain and ground" in page
    texts = [path.read_text() for path in out.glob("*.*") if path.suffix in (".md", ".json", ".jsonl")]
    assert "sk-own" not in "".join([*texts, said.out, said.err])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.jsonl") as opened:
        yield opened


async def ask(server: OpenAiServer, journal: Journal, **fields: object) -> str:
    async with VisionChat(endpoint(server, **fields), journal) as chat:
        return await chat.ask(QUESTION, str)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (build_refusal(429), RateLimited),
        (build_refusal(503), EndpointUnavailable),
        (build_refusal(400), GenerationFailed),
        (build_refusal(413), GenerationFailed),
        (build_refusal(401), BadSettings),
        (build_refusal(403), BadSettings),
        (build_refusal(404), BadSettings),
        (Reply(b"", held=True), InferenceTimeout),
        (Reply(b"nonsense"), AnswerUnreadable),
        (Reply(b"[]"), AnswerUnreadable),
        (Reply(b'{"choices": "many"}'), AnswerUnreadable),
        (build_answer("", choices=[]), AnswerUnreadable),
        (build_answer("cut", choices=[{"message": {"content": "cut"}, "finish_reason": "length"}]), AnswerUnreadable),
    ],
)
async def test_each_misbehaviour_has_its_error(journal: Journal, reply: Reply, error: type[ZoomInError]) -> None:
    with OpenAiServer(lambda _: reply) as server:
        with pytest.raises(error) as failed:
            await ask(server, journal, timeout_s=2.0 if reply.held else 20.0)
        expected = {RateLimited: 2, EndpointUnavailable: 2, InferenceTimeout: 2, AnswerUnreadable: 3}.get(error, 1)
        assert eventually(lambda: len(server.requests) >= expected)  # whom the client gave up may be read only now
        assert len(server.requests) == expected
    assert "sk-own" not in failed.value.detail


async def test_nobody_at_the_address(journal: Journal) -> None:
    with OpenAiServer(lambda _: build_answer("x")) as server:
        pass
    with pytest.raises(EndpointUnavailable, match="cannot be reached"):
        await ask(server, journal, attempts=1)


async def test_a_second_try_may_succeed_and_nonsense_is_asked_for_again_warmer(journal: Journal) -> None:
    replies = iter([build_refusal(429), Reply(b"nonsense"), build_answer("A cup.")])
    with OpenAiServer(lambda _: next(replies)) as server:
        assert await ask(server, journal) == "A cup."
        assert [asked.body["temperature"] for asked in server.requests] == [0.0, 0.0, 0.7]
        assert await ask(server, journal) == "A cup."
        assert len(server.requests) == 3


async def test_an_endpoint_that_fails_all_is_given_up(journal: Journal) -> None:
    with OpenAiServer(lambda _: build_refusal(503)) as server:
        async with VisionChat(endpoint(server, attempts=1), journal) as chat:
            for _ in range(GIVE_UP_AFTER - 1):
                with pytest.raises(EndpointUnavailable):
                    await chat.ask(QUESTION, str)
            with pytest.raises(EndpointDead):
                await chat.ask(QUESTION, str)


def test_a_refused_key_ends_the_build_at_once(source: Path) -> None:
    with (
        OpenAiServer(lambda _: build_refusal(401)) as server,
        pytest.raises(BadSettings, match="check ZOOMIN_TRAIN_EXPLAIN_KEY"),
    ):
        magnifake.build(plan(source, server))
    assert len(server.requests) <= 4
