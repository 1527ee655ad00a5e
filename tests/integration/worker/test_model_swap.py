"""A worker under load follows the champion of a registry: promotion, a refused revision, and a rollback."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.registry.promotion import promote, rollback
from pipeline.registry.push import SmokeImage, push_revision
from pipeline.registry.registry import ModelRegistry
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_noise, encode_image
from tests.support.memory_registry import NAME
from tests.support.processes.worker_process import STANDIN, WorkerProcess
from tests.support.registries import write_checkpoint
from tests.support.servers.services import KafkaForTests, S3ForTests
from tests.support.site import Site

BATCH = 24
SWAP_WITHIN_S = 60.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Models:
    """A registry in a bucket of its own, with revisions that differ in their weights or their cards."""

    def __init__(self, s3: S3ForTests, directory: Path) -> None:
        self.bucket = s3.create_bucket("weights")
        self.registry = ModelRegistry(s3.client, self.bucket, NAME)
        self._directory = directory

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ZOOMIN_ENGINE__MODEL": f"s3://{self.bucket}/models/{NAME}",
            "ZOOMIN_ENGINE__CACHE": str(self._directory / "cache"),
            "ZOOMIN_ENGINE__FOLLOW_S": "0.2",
            "ZOOMIN_ENGINE__FOLLOW_SPREAD_S": "0",
        }

    def push(self, weights: str, *smoke: SmokeImage, card: str = "{}") -> str:
        checkpoint = write_checkpoint(self._directory / weights / NAME, weights.encode(), card)
        push_revision(
            self.registry,
            checkpoint.path,
            parent=None,
            data_digest=None,
            gate=None,
            smoke=smoke,
            created_by="test",
            now=NOW,
        )
        return checkpoint.revision

    def promote(self, revision: str) -> None:
        promote(self.registry, revision, by="test", reason="a test", now=NOW)

    def rollback(self) -> None:
        rollback(self.registry, by="test", reason="a test", now=NOW)


@pytest.fixture
def models(seaweedfs: S3ForTests, tmp_path: Path) -> Models:
    return Models(seaweedfs, tmp_path)


@pytest.fixture
def site(kafka: KafkaForTests, seaweedfs: S3ForTests, tmp_path: Path, models: Models) -> Site:
    settings = models.environment | {"ZOOMIN_FLOW__MAX_IN_FLIGHT": "8"}
    return Site(kafka, seaweedfs, tmp_path, settings=settings)


class Load:
    """Sends events in batches that a worker is busy with for some seconds."""

    def __init__(self, site: Site) -> None:
        self.sent = 0
        self._site = site
        self._url = site.upload("noise.png", encode_image(build_noise(), "PNG"))

    def send_batch(self) -> None:
        events = [{"schema_version": 1, "url": self._url, "id": f"event-{self.sent + n}"} for n in range(BATCH)]
        self._site.send(*events)
        self.sent += BATCH


def wait_for_line(worker: WorkerProcess, event: str, *, revision: str, count: int = 1) -> dict[str, object]:
    """Wait until the log has so many such lines; return the last of them."""
    deadline = time.monotonic() + SWAP_WITHIN_S
    while time.monotonic() < deadline and worker.running:
        lines = [line for line in worker.read_log() if (line["event"], line.get("revision")) == (event, revision)]
        if len(lines) >= count:
            return lines[count - 1]
        time.sleep(0.05)
    raise AssertionError(f"no {event} of {revision}:\n{worker.log.read_text()[-4000:]}")


def require_unmixed(verdicts: list[VerdictEvent]) -> None:
    """Check that both answers of each verdict come from the revision that the verdict names."""
    for verdict in verdicts:
        assert verdict.check is not None
        for answer in (verdict.scan, verdict.check):
            assert answer.explanation.endswith(f"says {verdict.model.revision}.")


def test_promotion_refusal_and_rollback_under_load_lose_and_mix_nothing(
    site: Site, models: Models, tmp_path: Path
) -> None:
    (tmp_path / "noise.png").write_bytes(encode_image(build_noise(), "PNG"))
    first = models.push("first")
    models.promote(first)
    load = Load(site)
    with site.build_worker(*STANDIN, "--delay-s", "0.1") as worker:
        worker.wait_until_started()
        verdict = judge_noise(site, load)
        asked = SmokeImage(tmp_path / "noise.png", verdict)
        wrong = SmokeImage(tmp_path / "noise.png", Verdict.REAL if verdict is Verdict.GENERATED else Verdict.GENERATED)
        second, refused = models.push("second", asked), models.push("third", wrong)
        other_budget = models.push("fourth", asked, card='{"max_crops": 2}')
        steps: list[tuple[Callable[[], None], str, str]] = [
            (lambda: models.promote(second), "model_swapped", second),
            (lambda: models.promote(refused), "model_refused", refused),
            (models.rollback, "", second),
            (models.rollback, "model_swapped", first),
            (lambda: models.promote(other_budget), "model_swapped", other_budget),
        ]
        lines = []
        for change, event, revision in steps:
            load.send_batch()
            change()
            if event:
                lines.append(wait_for_line(worker, event, revision=revision))
        load.send_batch()
        verdicts, letters = site.wait_for_answers(load.sent)
        metrics = worker.get("/metrics")
        models.promote(refused)
        wait_for_line(worker, "model_refused", revision=refused, count=2)
        worker.signal(signal.SIGKILL)
    with site.build_worker(*STANDIN) as restarted:
        started = restarted.wait_for_log("worker_started", SWAP_WITHIN_S)
        assert restarted.stop() == 0
    assert started["revision"] == other_budget, "the one before the champion that was refused"
    assert [line.get("way") for line in lines] == ["reload", None, "reload", "restart"]
    assert sorted(verdict.event_id for verdict in verdicts) == sorted(f"event-{n}" for n in range(load.sent))
    assert letters == []
    assert {verdict.model.revision for verdict in verdicts} == {first, second, other_budget}
    require_unmixed(verdicts)
    assert 'zoomin_model_refused_total{reason="smoke"} 1.0' in metrics
    assert f'zoomin_model_info{{name="{NAME}",prompt_version="1",revision="{other_budget}"}} 1.0' in metrics


def judge_noise(site: Site, load: Load) -> Verdict:
    load.send_batch()
    verdicts, _ = site.wait_for_answers(load.sent)
    return verdicts[0].verdict
