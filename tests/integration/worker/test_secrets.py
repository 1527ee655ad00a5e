"""No secret leaves a worker: after all kinds of trouble, whatever it wrote is searched for the injected ones.

A dead letter holds the sender's record byte for byte, so that it can be replayed: what the sender wrote into it is
looked for in everything but that.
"""

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import psutil
import pytest
from kafka.consumer.fetcher import ConsumerRecord

from tests.chaos.store_front import BUSY, Front, store_front
from tests.support.builders import build_noise, encode_image
from tests.support.injected import find_leaks
from tests.support.processes.worker_process import STANDIN
from tests.support.servers.collector import Collector, run_collector
from tests.support.servers.secured import SecuredKafka
from tests.support.servers.services import KafkaForTests, S3ForTests, eventually
from tests.support.site import Site, decode_headers
from worker.local.s3 import build_s3_client

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

Places = dict[str, bytes]


def planted() -> str:
    """With characters that look another way in a URL."""
    return f"a/{uuid4().hex}+"


@pytest.mark.timeout(600)
def test_no_secret_is_told_to_anyone(secured_kafka: SecuredKafka, seaweedfs: S3ForTests, tmp_path: Path) -> None:
    names = ("wrong password", "wrong secret key", "session token", "salt", "trace token", "misspelt trace token")
    ours = {name: planted() for name in names}
    ours |= {"password": secured_kafka.password, "secret key": seaweedfs.secret_key}
    with run_collector() as traces, store_front(seaweedfs.endpoint_url) as front:
        site = _site(secured_kafka, seaweedfs, front, traces, ours, tmp_path)
        theirs, places = _a_day(site, front)
        wrong = {
            "ZOOMIN_KAFKA__SASL_PASSWORD": ours["wrong password"],
            "AWS_SECRET_ACCESS_KEY": ours["wrong secret key"],
            "AWS_SESSION_TOKEN": ours["session token"],
        }
        places |= _commands(site, wrong)
        places["traces"] = b"".join(traces.received)
    assert all(stage in places["traces"] for stage in (b"parse", b"fetch", b"check", b"publish", b"sample"))
    assert b"outage_began" in places["log"]
    assert b"SaslAuthenticationFailed" in places["run, wrong password"]
    assert find_leaks(ours, places) == []
    assert find_leaks(theirs, {place: text for place, text in places.items() if place != "letters as they came"}) == []


def test_http_answers_on_loopback_alone_unless_told_otherwise(
    kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path
) -> None:
    for told, hosts in (({}, {"127.0.0.1"}), ({"ZOOMIN_TELEMETRY__HTTP_HOST": "0.0.0.0"}, {"0.0.0.0"})):  # noqa: S104
        with Site(kafka, seaweedfs, tmp_path, settings=told).build_worker(*STANDIN) as worker:
            worker.wait_until_started()
            connections = psutil.Process(worker.pid).net_connections(kind="inet")
            assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == hosts


def _site(
    secured: SecuredKafka, s3: S3ForTests, front: Front, traces: Collector, ours: dict[str, str], directory: Path
) -> Site:
    trace_headers = f"authorization={quote(ours['trace token'])},Bearer {ours['misspelt trace token']}"
    settings = {
        **secured.build_password_settings(),
        **traces.environment,
        "OTEL_EXPORTER_OTLP_HEADERS": trace_headers,
        "ZOOMIN_STORE__ENDPOINT_URL": front.url,
        "ZOOMIN_SAMPLING__SALT": ours["salt"],
        "ZOOMIN_SAMPLING__BUCKET": s3.create_labeling_bucket(),
        "ZOOMIN_SAMPLING__CONTROL_FRACTION": "1",
        "ZOOMIN_RETRY__PATIENCE_S": "1",
        "ZOOMIN_TELEMETRY__LOG_LEVEL": "debug",
    }
    return Site(secured.kafka, s3, directory, settings=settings)


def _a_day(site: Site, front: Front) -> tuple[dict[str, str], Places]:
    """The secrets that senders wrote into their events, and all that the worker told."""
    site.upload("good.png", encode_image(build_noise(), "PNG"))
    site.upload("broken.png", b"no picture")
    good = {key: _presigned(site, front, key) for key in ("good.png", "broken.png", "missing.png")}
    events, theirs = _refused(site, front)
    theirs |= {f"signature of {key}": parse_qs(urlsplit(url).query)["X-Amz-Signature"][0] for key, url in good.items()}
    events += [good["good.png"], *({"schema_version": 1, "url": url, "id": f"id-{key}"} for key, url in good.items())]
    with site.build_worker(*STANDIN) as worker:
        worker.wait_until_started()
        site.send(*events)
        site.wait_for_answers(len(events))
        assert eventually(lambda: len(_labels(site)) >= 2)  # a case is written after its verdict: not into the outage
        front.refused["/"] = BUSY
        site.send(good["good.png"])
        worker.wait_for_log("outage_began", 30)
        front.refused.clear()
        verdicts, letters = site.wait_for_answers(len(events) + 1)
        metrics = worker.get("/metrics")
        assert worker.stop() == 0
    assert len(verdicts) == 3
    codes = {decode_headers(letter)["zoomin-dlt-code"] for letter in letters}
    assert codes == {"malformed_event", "bucket_forbidden", "image_missing", "image_changed", "image_refused"}
    return theirs, {
        "log": worker.log.read_bytes(),
        "metrics": metrics.encode(),
        "verdicts": b"".join(map(_whole, site.kafka.read_records(site.verdict_topic))),
        "headers of letters": b"".join(b"%s %s\n" % (n.encode(), v) for letter in letters for n, v in letter.headers),
        "letters as they came": b"".join(map(_whole, letters)),
        "label cases": b"".join(key.encode() + body for key, body in _labels(site).items()),
    }


def _refused(site: Site, front: Front) -> tuple[list[object], dict[str, str]]:
    """Events that cannot be judged, each with a secret of its own in a place of its own."""
    secret = {
        name: uuid4().hex
        for name in ("foreign", "forbidden", "user", "odd host", "field", "value", "date", "event name", "etag", "cut")
    }
    query = {name: f"?X-Amz-Credential=AKIA&X-Amz-Signature={text}" for name, text in secret.items()}
    own = f"{front.url}/{site.bucket}/good.png"
    host = urlsplit(front.url).netloc
    events: list[object] = [
        f"https://elsewhere.example/x.png{query['foreign']}",
        f"{front.url}/not-on-the-list/x.png{query['forbidden']}",
        f"http://user:{secret['user']}@{host}/{site.bucket}/good.png",
        f"https://user:{secret['odd host']}@example\u2100.com/x.png",
        {"schema_version": 1, "url": own, "signed": own + query["field"]},
        {"schema_version": 1, "url": {"href": own + query["value"]}},
        {"schema_version": 1, "url": own, "time": own + query["date"]},
        {"Records": [{"eventName": own + query["event name"]}]},
        {"schema_version": 1, "url": own + query["etag"], "etag": "0" * 32},
        '{"schema_version": 1, "url": "' + own + query["cut"],
    ]
    return events, {f"{name} of an event": text for name, text in secret.items()}


def _commands(site: Site, wrong: dict[str, str]) -> Places:
    """What people are shown, also those who make mistakes; started side by side."""
    misspelt = {"ZOOMIN_KAFKA__SASL_PASSWORT": wrong["ZOOMIN_KAFKA__SASL_PASSWORD"]}
    misplaced = {"ZOOMIN_FLOW__MAX_SPAN": wrong["AWS_SECRET_ACCESS_KEY"]}
    asked: dict[str, tuple[tuple[str, ...], dict[str, str], int]] = {
        "check": (("check",), {}, 0),
        "check --json": (("check", "--json"), {}, 0),
        "check --connect": (("check", "--connect"), {}, 0),
        "tail": (("tail", "--once"), {}, 0),
        "tail --json": (("tail", "--once", "--json"), {}, 0),
        "replay --dry-run": (("replay", "--dry-run"), {}, 0),
        "replay": (("replay", "--json"), {}, 0),
        "check --connect, all wrong": (("check", "--connect"), wrong, 1),
        "run, wrong password": (("run",), {k: v for k, v in wrong.items() if "KAFKA" in k}, 1),
        "run, wrong key": (("run",), {k: v for k, v in wrong.items() if "AWS" in k}, 1),
        "run, bad settings": (("run",), misspelt | misplaced, 2),
    }
    started = {
        what: (expected, _zoomin(site, command, environment))
        for what, (command, environment, expected) in asked.items()
    }
    places: Places = {}
    for what, (expected, process) in started.items():
        output, _ = process.communicate(timeout=120)
        assert process.returncode == expected, f"{what}: {output.decode()}"
        places[what] = output
    return places


def _zoomin(site: Site, command: tuple[str, ...], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=site.process_environment | environment,
    )


def _presigned(site: Site, front: Front, key: str) -> str:
    client = build_s3_client(front.url, site.s3.access_key, site.s3.secret_key)
    try:
        return client.generate_presigned_url("get_object", Params={"Bucket": site.bucket, "Key": key})
    finally:
        client.close()


def _whole(record: ConsumerRecord) -> bytes:
    return b"\n".join(
        [record.key or b"", record.value or b"", *(b"%s %s" % (n.encode(), v) for n, v in record.headers)]
    )


def _labels(site: Site) -> dict[str, bytes]:
    """What the labeling bucket holds, by key."""
    bucket = site.settings["ZOOMIN_SAMPLING__BUCKET"]
    keys = [found["Key"] for found in site.s3.client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: site.s3.client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
