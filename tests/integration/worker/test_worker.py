"""The whole worker on real Kafka and real S3; the engine is a stand-in that answers at once."""

import io
import signal
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.verdict import Status
from tests.support.builders import build_noise, build_notification, encode_image
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site, decode_headers

DELIVERIES = ("at_least_once", "exactly_once")
STUCK = ("--images-per-s", "0.05", "--concurrency", "1")
"""a stand-in engine that takes minutes"""

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(scope="module")
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One pipeline for the module: each test looks for its own events in it."""
    return Site(kafka, seaweedfs, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def worker(site: Site) -> Iterator[WorkerProcess]:
    with site.build_worker(*STANDIN) as running:
        yield running.wait_until_started()


@pytest.fixture
def alone(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path) -> Site:
    """A pipeline of the test's own, for those that start and stop workers."""
    return Site(kafka, seaweedfs, tmp_path)


def letter_for(site: Site, event_id: str) -> dict[str, str]:
    def found() -> list[dict[str, str]]:
        letters = [decode_headers(record) for record in site.read_dead_letters()]
        return [letter for letter in letters if letter.get("zoomin-event-id") == event_id]

    return eventually(found)[0]


def eventually(found, timeout_s: float = 60):  # type: ignore[no-untyped-def]
    """What `found` returns once it is not empty."""
    import time

    deadline = time.monotonic() + timeout_s
    while not (result := found()):
        assert time.monotonic() < deadline, "not answered in time"
        time.sleep(0.2)
    return result


def verdict_for(site: Site, key: str):  # type: ignore[no-untyped-def]
    return eventually(lambda: [v for v in site.read_verdicts() if v.image.key == key])[0]


@pytest.mark.parametrize(
    "key", ["plain.png", "a+b c.png", "100%25.png", "über/фото 图.png", "q?x=1#f.png", " lead and trail "]
)
def test_an_uploaded_image_is_judged_under_its_own_key(site: Site, worker: WorkerProcess, key: str) -> None:
    url = site.upload(key, encode_image(build_noise(), "PNG"))
    site.send({"schema_version": 1, "url": url, "id": f"id-{key}", "source": "web", "attributes": {"user": "7"}})
    verdict = verdict_for(site, key)
    assert (verdict.event_id, verdict.source, verdict.attributes) == (f"id-{key}", "web", {"user": "7"})
    assert verdict.status is Status.COMPLETE
    assert (verdict.image.width_px, verdict.image.height_px, verdict.image.format) == (64, 48, "png")
    assert {"queued", "fetch", "decode", "scan", "check", "total"} == set(verdict.timing_s)


def test_form_encoded_keys_of_notifications_are_read(site: Site, worker: WorkerProcess) -> None:
    etag = site.s3.client.put_object(Bucket=site.bucket, Key="sum a+b.png", Body=encode_image(build_noise(), "PNG"))[
        "ETag"
    ]
    key = urllib.parse.quote_plus("sum a+b.png")
    site.send(build_notification((site.bucket, key), eTag=etag.strip('"')))
    assert verdict_for(site, "sum a+b.png").event_id


def test_a_record_of_several_images_answers_each(site: Site, worker: WorkerProcess) -> None:
    for name in ("multi-1.png", "multi-2.png"):
        site.upload(name, encode_image(build_noise(), "PNG"))
    site.send(
        build_notification((site.bucket, "multi-1.png"), (site.bucket, "multi-2.png"), (site.bucket, "multi-gone.png"))
    )
    assert verdict_for(site, "multi-1.png").record.offset == verdict_for(site, "multi-2.png").record.offset
    letters = eventually(
        lambda: [
            r for r in site.read_dead_letters() if b"multi-gone" in r.value and decode_headers(r)["zoomin-dlt-code"]
        ]
    )
    assert decode_headers(letters[0])["zoomin-dlt-code"] == "image_missing"


def big(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("1", (width, height)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "code", "stage"),
    [
        ("empty", b"", "image_undecodable", "decode"),
        ("text", b"this is no image", "image_refused", "decode"),
        ("cut", encode_image(build_noise(200, 200), "PNG")[:50], "image_undecodable", "decode"),
        ("bomb", big(20000, 20000), "image_too_large", "decode"),
        ("heavy", b"\x89PNG" + bytes(33 * 1024 * 1024), "image_too_large", "fetch"),
    ],
)
def test_bad_images_become_dead_letters_with_a_precise_code(
    site: Site, worker: WorkerProcess, name: str, data: bytes, code: str, stage: str
) -> None:
    url = site.upload(f"bad/{name}", data)
    site.send({"schema_version": 1, "url": url, "id": f"bad-{name}"}, key=b"k")
    letter = letter_for(site, f"bad-{name}")
    assert (letter["zoomin-dlt-code"], letter["zoomin-dlt-stage"]) == (code, stage)


@pytest.mark.parametrize(
    ("event", "code", "stage"),
    [
        ({"url": "s3://elsewhere/x.png", "id": "off-list"}, "bucket_forbidden", "parse"),
        ({"url": "https://example.com/x.png", "id": "foreign"}, "malformed_event", "parse"),
        ({"url": "s3://{bucket}/x.png", "id": "field", "colour": "red"}, "malformed_event", "parse"),
        ({"url": "s3://{bucket}/not-there.png", "id": "missing"}, "image_missing", "fetch"),
        ({"url": "s3://{bucket}/here.png", "id": "changed", "etag": "0" * 32}, "image_changed", "fetch"),
        ({"url": "s3://{bucket}/here.png", "id": "digest", "sha256": "0" * 64}, "image_changed", "fetch"),
    ],
)
def test_bad_events_become_dead_letters_with_a_precise_code(
    site: Site, worker: WorkerProcess, event: dict[str, str], code: str, stage: str
) -> None:
    site.upload("here.png", encode_image(build_noise(), "PNG"))
    value = {"schema_version": 1, **event, "url": event["url"].format(bucket=site.bucket)}
    site.send(value, key=event["id"].encode())
    letters = eventually(lambda: [r for r in site.read_dead_letters() if r.key == event["id"].encode()])
    letter = decode_headers(letters[0])
    assert (letter["zoomin-dlt-code"], letter["zoomin-dlt-stage"]) == (code, stage)
    assert letter["zoomin-dlt-topic"] == site.images


@pytest.mark.parametrize("value", [b"{", b"\xff\xfe", b'"' + b"x" * 1_000_000 + b'"', b"[" * 5000])
def test_what_is_no_event_is_kept_byte_for_byte(site: Site, worker: WorkerProcess, value: bytes) -> None:
    key = f"bytes-{hash(value)}".encode()
    site.send(value, key=key)
    (letter,) = eventually(lambda: [r for r in site.read_dead_letters() if r.key == key])
    assert letter.value == value
    assert decode_headers(letter)["zoomin-dlt-code"] == "malformed_event"


def test_events_that_are_none_of_our_business_are_ignored_and_closed(kafka: KafkaForTests, alone: Site) -> None:
    with alone.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        removed = build_notification((alone.bucket, "x"), name="ObjectRemoved:Delete")
        alone.send({"Event": "s3:TestEvent", "Bucket": alone.bucket}, removed, partition=0)
        eventually(lambda: alone.read_committed_offsets().get(0) == 2)
        assert 'zoomin_events_total{outcome="ignored"} 2.0' in worker.get("/metrics")
    assert alone.read_verdicts() == []
    assert alone.read_dead_letters() == []


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_sigterm_drains_and_a_new_worker_goes_on_without_repeats(alone: Site, delivery: str) -> None:
    alone.settings |= {"ZOOMIN_FLOW__MAX_IN_FLIGHT": "8", "ZOOMIN_KAFKA__DELIVERY": delivery}
    urls = [alone.upload(f"{i}.png", encode_image(build_noise(seed=i), "PNG")) for i in range(60)]
    with alone.build_worker(*STANDIN, "--images-per-s", "3", "--concurrency", "8") as first:  # 17 s for the other 50
        first.wait_until_started()
        alone.send(*({"schema_version": 1, "url": url, "id": url} for url in urls))
        eventually(lambda: len(alone.read_verdicts()) >= 10)
        assert first.stop() == 0
    # Brokers carry out a transaction's commit some moments after they have answered it.
    eventually(
        lambda: sum(alone.read_committed_offsets().values()) == len(alone.read_verdicts())
    )  # all that is answered, and no more
    assert 10 <= len(alone.read_verdicts()) < 60
    with alone.build_worker(*STANDIN) as second:
        second.wait_until_started()
        verdicts, letters = alone.wait_for_answers(60)
        assert second.stop() == 0
    assert letters == []
    assert sorted(v.event_id for v in verdicts) == sorted(urls)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_second_signal_leaves_at_once_and_nothing_is_lost(alone: Site, delivery: str) -> None:
    alone.settings["ZOOMIN_KAFKA__DELIVERY"] = delivery
    urls = [alone.upload(f"{i}.png", encode_image(build_noise(seed=i), "PNG")) for i in range(8)]
    with alone.build_worker(*STANDIN, *STUCK) as stuck:
        fill(alone, stuck, urls)
        stuck.signal(signal.SIGTERM)
        stuck.wait_for_log("stop_requested", 30)
        stuck.signal(signal.SIGTERM)
        assert stuck.wait_until_ended() != 0, "a worker that drains, in vain, leaves with 0"
    assert answered_by_another(alone) == sorted(urls)


def test_a_deadline_that_passes_lets_go_of_what_is_stuck_and_nothing_is_lost(alone: Site) -> None:
    alone.settings["ZOOMIN_FLOW__DRAIN_TIMEOUT_S"] = "1"
    urls = [alone.upload(f"{i}.png", encode_image(build_noise(seed=i), "PNG")) for i in range(8)]
    with alone.build_worker(*STANDIN, *STUCK) as stuck:
        fill(alone, stuck, urls)
        assert stuck.stop() == 0
    assert alone.read_verdicts() == []
    assert sum(alone.read_committed_offsets().values()) == 0
    assert answered_by_another(alone) == sorted(urls)


def fill(site: Site, worker: WorkerProcess, urls: list[str]) -> None:
    """One event in flight for each of eight URLs."""
    worker.wait_until_started()
    site.send(*({"schema_version": 1, "url": url, "id": url} for url in urls))
    eventually(lambda: "zoomin_in_flight 8.0" in worker.get("/metrics"))


def answered_by_another(site: Site) -> list[str]:
    """The ids of all verdicts once a second worker has gone over what the first left."""
    with site.build_worker(*STANDIN) as second:
        second.wait_until_started()
        verdicts, _ = site.wait_for_answers(8)
        assert second.stop() == 0
    return sorted(verdict.event_id for verdict in verdicts)


def test_a_worker_holds_no_more_than_its_slots(alone: Site) -> None:
    alone.settings["ZOOMIN_FLOW__MAX_IN_FLIGHT"] = "4"
    url = alone.upload("one.png", encode_image(build_noise(), "PNG"))
    alone.send(*[{"schema_version": 1, "url": url}] * 5000)
    with alone.build_worker(*STANDIN, "--images-per-s", "2", "--concurrency", "4") as worker:
        worker.wait_until_started()
        eventually(lambda: "zoomin_in_flight 4.0" in worker.get("/metrics"))
        eventually(lambda: "zoomin_paused 2.0" in worker.get("/metrics"))
        lines = worker.get("/metrics").splitlines()
        span, answered = (
            sum(float(line.split()[-1]) for line in lines if line.startswith(name))
            for name in ("zoomin_span ", "zoomin_events_total{")
        )
        # What is answered stays in the span until it is committed, and while the metrics are told more may be.
        assert span - answered <= 2 * 4, "nothing is read ahead of the slots"


def test_a_bucket_that_denies_every_get_is_waited_for(alone: Site) -> None:
    alone.settings["ZOOMIN_RETRY__PATIENCE_S"] = "1"
    url = alone.upload("a.png", encode_image(build_noise(), "PNG"))
    outage = f'zoomin_outage{{dependency="bucket {alone.bucket}"}}'
    with alone.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        alone.send({"schema_version": 1, "url": url, "id": "before"})
        alone.wait_for_answers(1)
        with alone.s3.deny_reading(alone.bucket):
            alone.send(*({"schema_version": 1, "url": url, "id": f"denied-{number}"} for number in range(5)))
            eventually(lambda: read_metric(worker, outage) == 1)
            eventually(lambda: read_metric(worker, "zoomin_retries_total{") > 25)  # longer than patience for each
        verdicts, letters = alone.wait_for_answers(6)
        eventually(lambda: read_metric(worker, outage) == 0)
    assert (len(verdicts), letters) == (6, [])


def test_a_denied_bucket_holds_up_no_other_and_its_events_become_letters(alone: Site) -> None:
    denied = alone.s3.create_bucket("denied")
    alone.s3.client.put_object(Bucket=denied, Key="a.png", Body=encode_image(build_noise(), "PNG"))
    alone.settings |= {
        "ZOOMIN_STORE__BUCKETS": f"{alone.bucket},{denied}",
        "ZOOMIN_RETRY__PATIENCE_S": "2",
        "ZOOMIN_FLOW__MAX_IN_FLIGHT": "4",
    }
    url = alone.upload("a.png", encode_image(build_noise(), "PNG"))
    with alone.s3.deny_reading(denied), alone.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        alone.send(*[{"schema_version": 1, "url": f"s3://{denied}/a.png"}] * 20, partition=0)
        alone.send(*[{"schema_version": 1, "url": url}] * 20, partition=0)
        verdicts, letters = alone.wait_for_answers(40)
        assert read_metric(worker, f'zoomin_outage{{dependency="bucket {denied}"}}') == 1
    assert {verdict.image.bucket for verdict in verdicts} == {alone.bucket}
    assert [decode_headers(letter)["zoomin-dlt-code"] for letter in letters] == ["bucket_unavailable"] * 20


def read_metric(worker: WorkerProcess, name: str) -> float:
    """Return the sum of the samples whose lines begin with `name`."""
    lines = worker.get("/metrics").splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_low_confidence_cases_reach_the_labeling_bucket(alone: Site) -> None:
    labels = alone.s3.create_labeling_bucket()
    alone.settings |= {"ZOOMIN_SAMPLING__BUCKET": labels, "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1"}
    image = build_noise(100, 80)
    url = alone.upload("case.jpg", encode_image(image, "JPEG", quality=90))
    with alone.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        alone.send({"schema_version": 1, "url": url})
        verdict = verdict_for(alone, "case.jpg")
        objects = eventually(
            lambda: (
                found
                if len(found := [o["Key"] for o in alone.s3.client.list_objects_v2(Bucket=labels).get("Contents", [])])
                == 2
                else []
            )
        )
    case_key, image_key = sorted(objects)
    assert case_key.endswith(f"/{verdict.verdict_id}.json")
    png = alone.s3.client.get_object(Bucket=labels, Key=image_key)["Body"].read()
    with (
        Image.open(io.BytesIO(png)) as stored,
        Image.open(io.BytesIO(encode_image(image, "JPEG", quality=90))) as judged,
    ):
        assert stored.format == "PNG"
        assert stored.tobytes() == judged.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"ZOOMIN_FLOW__MAX_IN_FLIGHT": "0", "ZOOMIN_RETRY__ATTEMPTS": "x"}, 2, ["MAX_IN_FLIGHT", "RETRY__ATTEMPTS"]),
        ({"ZOOMIN_ENGINE__MODEL": "nowhere"}, 2, ["config.json"]),
        ({"ZOOMIN_STORE__BUCKETS": ""}, 2, ["ZOOMIN_STORE__BUCKETS"]),
        ({"AWS_PROFILE": "nobody"}, 2, ["AWS_PROFILE"]),
        ({"ZOOMIN_STORE__ENDPOINT_URL": "http://"}, 2, ["ZOOMIN_STORE__ENDPOINT_URL"]),
        ({"ZOOMIN_STORE__REGION": "eu west"}, 2, ["ZOOMIN_STORE__REGION"]),
        ({"ZOOMIN_KAFKA__VERDICT_TOPIC": "no-such-topic"}, 1, ["no-such-topic"]),
        ({"ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 1, ["127.0.0.1:1"]),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 1, ["credentials"]),
    ],
)
def test_what_cannot_work_is_one_sentence_before_joining_the_group(
    alone: Site, settings: dict[str, str], code: int, words: list[str]
) -> None:
    alone.settings |= settings
    with alone.build_worker("worker", "run") as worker:
        assert worker.wait_until_ended() == code
        said = worker.log.read_text()
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert "worker_started" not in said
