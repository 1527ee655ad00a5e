"""A shadow pool beside the champion, from their topics to the page, through the command line."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.wire.labels import LabelVerdict, build_case_key, build_label_key
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record import RawRecord
from tests.support.builders import build_noise, encode_image
from tests.support.labels import build_case, build_label
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.shadow_pools import CHALLENGER, CHAMPION, build_judged
from training.__main__ import main
from training.evaluation.summary import Json
from worker.kafka.outgoing import build_verdict_message

EVENTS = 60
FLIPPED = {0: 0.9, 1: 0.2, 2: 0.8}
"""P(generated) by the challenger where it differs"""


class Pools:
    """Writes the verdicts of both pools as workers do, on images that lie in a bucket."""

    def __init__(self, kafka: KafkaForTests, s3: S3ForTests) -> None:
        self._kafka = kafka
        self._s3 = s3
        self.champion_topic, self.challenger_topic = (kafka.create_topic(name) for name in ("verdicts", "shadow"))
        self.bucket, self.labels = s3.create_bucket("uploads"), s3.create_bucket("labels")

    def publish(self, topic: str, *verdicts: VerdictEvent) -> None:
        for verdict in verdicts:
            record = RawRecord("images", 0, 0, 0, verdict.event_id.encode(), b"")
            message = build_verdict_message(verdict, record, traceparent=None, limit_bytes=2**20)
            self._kafka.send(topic, message.value, key=message.key, headers=message.headers)

    def judge(self, number: int, *, revision: str, p_generated: float | None = None) -> VerdictEvent:
        """Judge an event that comes in every half hour; the first image is in the bucket, the others are not."""
        p = p_generated if p_generated is not None else 0.9 if number % 2 else 0.1
        verdict = build_judged(f"event-{number}", p, revision=revision, minute=30 * number, seconds=0.5)
        image = verdict.image.model_copy(update={"bucket": self.bucket, "key": f"{number}.png"})
        if number == 0:
            data = encode_image(build_noise(512, 512), "PNG")
            etag = self._s3.client.put_object(Bucket=self.bucket, Key="0.png", Body=data)["ETag"].strip('"')
            changes = {"etag": etag, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            image = image.model_copy(update=changes)
        return verdict.model_copy(update={"image": image})

    def label(self, verdict: VerdictEvent, truth: LabelVerdict) -> None:
        case = build_case(verdict.model_copy(update={"verdict_id": verdict.event_id}))
        label = build_label(case, verdict=truth)
        for key, model in (
            (build_case_key(case.case_id, case.created_at.date()), case),
            (build_label_key(label.case_id, label.label_id), label),
        ):
            self._s3.client.put_object(Bucket=self.labels, Key=key, Body=model.model_dump_json().encode())


@pytest.fixture
def pools(kafka: KafkaForTests, seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> Pools:
    pools = Pools(kafka, seaweedfs)
    environment = {
        **kafka.environment,
        **seaweedfs.environment,
        "ZOOMIN_STORE__BUCKETS": pools.bucket,
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "ZOOMIN_TRAIN_S3_REGION": seaweedfs.region,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return pools


def test_a_challenger_is_compared_with_the_champion_on_the_events_of_both(
    pools: Pools, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion = [pools.judge(number, revision=CHAMPION) for number in range(EVENTS + 20)]
    pools.publish(pools.champion_topic, *champion)
    challenger = [
        pools.judge(number, revision=CHALLENGER, p_generated=FLIPPED.get(number)) for number in range(-1, EVENTS)
    ]
    stale = pools.judge(5, revision="sha256:" + "c" * 64, p_generated=0.1)
    pools.publish(pools.challenger_topic, stale, *challenger)
    for number, verdict in enumerate(champion[:EVENTS]):
        pools.label(verdict, LabelVerdict.GENERATED if number in (0, 2) or number % 2 else LabelVerdict.REAL)

    out = tmp_path / "report"
    topics = ["--champion-topic", pools.champion_topic, "--challenger-topic", pools.challenger_topic]
    assert main(["shadow", *topics, "--labels", f"s3://{pools.labels}", "--out", str(out), "--json"]) == 0
    *text, last = capsys.readouterr().out.splitlines()
    report: Json = json.loads(last)
    assert (report["joined"], report["only_champion"], report["only_challenger"]) == (EVENTS, 20, 1)
    assert report["hours"] == pytest.approx((EVENTS - 1) / 2)
    assert (report["flips"]["to_generated"], report["flips"]["to_real"]) == (2, 1)
    assert report["pools"]["challenger"]["verdicts"] == {CHALLENGER: EVENTS + 1, "sha256:" + "c" * 64: 1}
    labels, test = report["labels"], report["labels"]["mcnemar"]
    assert (labels["decided"], test["only_challenger"], test["only_champion"]) == (EVENTS, 2, 1)
    assert labels["champion"]["value"] == pytest.approx(58 / 60, abs=1e-4)
    assert {flip["event_id"] for flip in report["shown"]} == {"event-0", "event-1", "event-2"}
    assert any("2 to generated, 1 to real" in line for line in text)
    page = (out / "report.html").read_text()
    assert page.count("data:image/webp") == 2
    assert page.count("Its image could not be fetched.") == 4
    assert json.loads((out / "report.json").read_text()) == report


def test_topics_that_do_not_meet_and_topics_that_do_not_exist_are_named(
    pools: Pools, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(champion: str, challenger: str, *more: str) -> str:
        topics = ["--champion-topic", champion, "--challenger-topic", challenger, "--out", str(tmp_path)]
        assert main(["shadow", *topics, *more]) in (1, 2)
        return capsys.readouterr().err

    assert "topic no-such-topic was not read" in fail(pools.champion_topic, "no-such-topic")
    pools.publish(pools.champion_topic, pools.judge(1, revision=CHAMPION))
    pools.publish(pools.challenger_topic, pools.judge(2, revision=CHALLENGER))
    assert "holds no verdict of these events" in fail(pools.champion_topic, pools.challenger_topic)
    assert "No such verdict is stored" in fail(pools.champion_topic, pools.challenger_topic, "--since", "2999-01-01")
    assert not list(tmp_path.iterdir())
