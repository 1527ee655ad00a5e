"""`zoomin collect` as a process on real Kafka and S3: reviews become labels, deletions erase, a kill loses nothing."""

import io
import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.wire.labels import LabelCase, LabelEvent, build_case_key
from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_noise, encode_image
from tests.support.processes.commands import run_command
from tests.support.processes.worker_process import WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site, decode_headers
from tests.support.verdicts import build_verdict
from worker.commands import replay
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings

COLLECT_LETTERS = ("--collect", "--code", "verdict_missing", "--json")
TIME = "2026-01-02T00:00:00Z"
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Platform:
    """A site whose verdicts are written by the test, with the topics that `zoomin collect` reads."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.reviews = site.kafka.create_topic("reviews")
        self.deletions = site.kafka.create_topic("deletions")
        self.letters = site.kafka.create_dead_letter_topic("reviews.dlt")
        self.labels = site.s3.create_bucket("labels")
        site.settings |= {
            "ZOOMIN_KAFKA__REVIEW_TOPIC": self.reviews,
            "ZOOMIN_KAFKA__DELETION_TOPIC": self.deletions,
            "ZOOMIN_KAFKA__REVIEW_DEAD_LETTER_TOPIC": self.letters,
            "ZOOMIN_SAMPLING__BUCKET": self.labels,
            "ZOOMIN_RETRY__PATIENCE_S": "1",
            "ZOOMIN_KAFKA__SESSION_TIMEOUT_S": "2",
            "ZOOMIN_FLOW__DECODERS": "1",
        }

    def judge(self, name: str, *, seed: int = 0, age_days: int = 0, publish: bool = True) -> VerdictEvent:
        """Upload an image and write its verdict, as the worker does."""
        file = encode_image(build_noise(seed=seed), "PNG")
        etag = self.site.s3.client.put_object(Bucket=self.site.bucket, Key=f"{name}.png", Body=file)["ETag"].strip('"')
        now = datetime.now(UTC)
        verdict = build_verdict(
            event_id=name, bucket=self.site.bucket, key=f"{name}.png", size=(64, 48), decided_at=now
        )
        image = verdict.image.model_copy(update={"etag": etag, "sha256": sha256(file).hexdigest()})
        verdict = verdict.model_copy(update={"image": image})
        if publish:
            self.site.kafka.send(self.site.verdict_topic, verdict.model_dump_json().encode())
        return verdict

    def review(self, event_id: str, **fields: object) -> None:
        review = {"event_id": event_id, "verdict": "real", "reviewer": "r1", "reason": "appeal", "time": TIME}
        self.site.kafka.send(self.reviews, json.dumps(review | fields).encode(), key=event_id.encode())

    def delete(self, **names: str) -> None:
        self.site.kafka.send(self.deletions, json.dumps({"time": TIME} | names).encode())

    def start(self) -> WorkerProcess:
        return self.site.build_worker("worker", "collect")

    @property
    def command_settings(self) -> Settings:
        kafka = KafkaSettings(
            bootstrap_servers=self.site.kafka.bootstrap_servers,
            input_topic=self.site.images,
            verdict_topic=self.site.verdict_topic,
            dead_letter_topic=self.site.dead_letter_topic,
            review_topic=self.reviews,
            deletion_topic=self.deletions,
            review_dead_letter_topic=self.letters,
        )
        return Settings(kafka=kafka)

    def list_keys(self, prefix: str = "") -> list[str]:
        pages = self.site.s3.client.get_paginator("list_objects_v2").paginate(Bucket=self.labels, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self.site.s3.client.get_object(Bucket=self.labels, Key=key)["Body"].read()

    def read_labels(self, case_id: str) -> list[LabelEvent]:
        return [LabelEvent.model_validate_json(self.read(key)) for key in self.list_keys(f"labels/{case_id}/")]

    def read_letters(self) -> list[dict[str, str]]:
        return [decode_headers(record) for record in self.site.kafka.read_records(self.letters)]


@pytest.fixture(scope="module")
def platform(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(Site(kafka, seaweedfs, tmp_path_factory.mktemp("collect"), partitions=1))


@pytest.fixture(scope="module")
def first(platform: Platform) -> VerdictEvent:
    return platform.judge("before", seed=1)


@pytest.fixture(scope="module")
def collecting(platform: Platform, first: VerdictEvent) -> Iterator[WorkerProcess]:
    """A collector that is killed in the middle of the first review, and its successor."""
    platform.review(first.event_id, boxes=[[0, 0, 9, 9], [50, 40, 900, 900]])
    with platform.start() as killed:
        assert eventually(lambda: platform.list_keys("labels/"), within_s=120)
        killed.signal(signal.SIGKILL)
        killed.wait_until_ended()
    with platform.start() as running:
        yield running.wait_until_started()
        assert running.stop() == 0


def test_a_review_becomes_one_case_and_one_label_also_after_a_kill(
    platform: Platform, first: VerdictEvent, collecting: WorkerProcess
) -> None:
    assert eventually(lambda: "review_collected" in {line["event"] for line in collecting.read_log()})
    (key,) = [key for key in platform.list_keys("cases/") if first.verdict_id in key]
    case = LabelCase.model_validate_json(platform.read(key))
    assert (case.reasons, case.inclusion_probability, case.blind) == (["review"], 0.0, False)
    (label,) = platform.read_labels(case.case_id)
    assert (label.verdict, label.annotator, label.origin) == ("real", "r1", "review")
    assert label.boxes == [(0, 0, 9, 9), (50, 40, 64, 48)]
    with Image.open(io.BytesIO(platform.read(case.image.object_key))) as png:
        assert png.tobytes() == build_noise(seed=1).tobytes()


def test_the_same_review_again_adds_nothing_and_another_one_does(platform: Platform, collecting: WorkerProcess) -> None:
    verdict = platform.judge("twice", seed=2)
    platform.review("twice")
    platform.review("twice")
    platform.review("twice", verdict="generated", reviewer="r2")
    assert eventually(lambda: len(collected(collecting, "twice")) == 3)
    assert sorted(label.annotator for label in platform.read_labels(verdict.verdict_id)) == ["r1", "r2"]


def collected(collecting: WorkerProcess, event_id: str) -> list[dict[str, Any]]:
    lines = collecting.read_log()
    return [line for line in lines if line["event"] == "review_collected" and line["event_id"] == event_id]


def test_what_cannot_be_followed_becomes_a_letter_with_its_own_code(
    platform: Platform, collecting: WorkerProcess
) -> None:
    platform.judge("changed", seed=3)
    platform.site.upload("changed.png", encode_image(build_noise(seed=4), "PNG"))
    platform.judge("outside", seed=5)
    platform.site.kafka.send(platform.reviews, b"no JSON", key=b"bad")
    platform.review("changed")
    platform.review("outside", boxes=[[64, 0, 70, 9]])
    platform.review("never-judged")
    platform.delete(event_id="never-judged-either")
    assert eventually(lambda: len(platform.read_letters()) >= 5, within_s=60)
    letters = {(letter["zoomin-dlt-code"], letter["zoomin-dlt-stage"]) for letter in platform.read_letters()}
    assert letters == {
        ("malformed_event", "parse"),
        ("image_changed", "fetch"),
        ("malformed_event", "find"),
        ("verdict_missing", "find"),
    }


def test_a_review_may_come_before_its_verdict(platform: Platform, collecting: WorkerProcess) -> None:
    verdict = platform.judge("late", seed=6, publish=False)
    platform.review("late")
    platform.site.kafka.send(platform.site.verdict_topic, verdict.model_dump_json().encode())
    assert eventually(lambda: platform.read_labels(verdict.verdict_id))


def test_letters_of_reviews_are_sent_again_and_each_review_of_an_event_for_itself(
    platform: Platform, collecting: WorkerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = platform.judge("forgotten", seed=7, publish=False)
    for reviewer in ("r1", "r2"):
        platform.review("forgotten", reviewer=reviewer)
    assert eventually(lambda: count_letters(platform, b"forgotten") == 2, within_s=60)
    assert run_command(replay, "--code", "verdict_missing", settings=platform.command_settings) == 0
    assert "No dead letter on" in capsys.readouterr().err, "without --collect the letters of images are meant"
    platform.site.kafka.send(platform.site.verdict_topic, verdict.model_dump_json().encode())
    for outcome in ("sent", "replayed since"):
        assert run_command(replay, *COLLECT_LETTERS, settings=platform.command_settings) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["what"] for line in lines if platform.reviews in line["record"]][-2:] == [outcome] * 2
    assert eventually(lambda: len(platform.read_labels(verdict.verdict_id)) == 2)
    assert {label.annotator for label in platform.read_labels(verdict.verdict_id)} == {"r1", "r2"}


def count_letters(platform: Platform, key: bytes) -> int:
    return sum(record.key == key for record in platform.site.kafka.read_records(platform.letters))


@pytest.mark.parametrize("by", ["event_id", "url", "sha256"])
def test_a_deletion_erases_the_image_and_it_does_not_come_back(
    platform: Platform, collecting: WorkerProcess, by: str
) -> None:
    name = f"gone-{by}"
    verdict = platform.judge(name, seed=10 + len(by))
    old_case = build_case_key("of-an-older-verdict", datetime(2025, 1, 1, tzinfo=UTC).date())
    fields = {"event_id": "old", "image": verdict.image.model_dump()}
    platform.site.s3.client.put_object(Bucket=platform.labels, Key=old_case, Body=json.dumps(fields).encode())
    platform.review(name)
    assert eventually(lambda: platform.read_labels(verdict.verdict_id))
    names = {"event_id": name, "url": f"s3://{platform.site.bucket}/{name}.png", "sha256": verdict.image.sha256}
    platform.delete(**{by: names[by]})
    tombstone = f"deleted/{verdict.image.sha256}.json"
    assert eventually(lambda: erased(collecting, verdict.image.sha256))
    platform.review(name, reviewer="another")
    assert eventually(lambda: [line["outcome"] for line in collected(collecting, name)] == ["labeled", "withheld"])
    traces = [key for key in platform.list_keys() if holds(platform, key, name, verdict)]
    assert traces == [tombstone]
    assert f"{name}.png".encode() not in platform.read(tombstone)


def erased(collecting: WorkerProcess, image: str) -> bool:
    return any(line["event"] == "images_erased" and image in line["images"] for line in collecting.read_log())


def holds(platform: Platform, key: str, name: str, verdict: VerdictEvent) -> bool:
    body = platform.read(key)
    return verdict.image.sha256 in key or verdict.image.sha256.encode() in body or f"{name}.png".encode() in body


def test_health_and_metrics_tell_the_topics_apart(platform: Platform, collecting: WorkerProcess) -> None:
    assert collecting.get("/livez") == collecting.get("/readyz") == "ok\n"
    metrics = collecting.get("/metrics")
    assert f'zoomin_events_total{{outcome="labeled",topic="{platform.reviews}"}}' in metrics
    assert f'zoomin_lag_records{{partition="0",topic="{platform.deletions}"}}' in metrics


def test_a_missing_labeling_bucket_is_named_before_the_start(platform: Platform, tmp_path: Path) -> None:
    settings = {**platform.site.environment, "ZOOMIN_SAMPLING__BUCKET": ""}
    with WorkerProcess(("worker", "collect"), settings, tmp_path) as process:
        assert process.wait_until_ended() == 2
    assert "ZOOMIN_SAMPLING__BUCKET" in process.log.read_text()
