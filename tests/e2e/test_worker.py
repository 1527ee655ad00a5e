"""Event in, verdict out, through the command line: the real worker with the tiny model in real vLLM.

Uploads go to versitygw, whose own notifications are the events: no code of ours between upload and worker.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pipeline.wire.messages import VerdictEvent
from tests.support.builders import encode_image
from tests.support.processes.worker_process import REAL, WorkerProcess
from tests.support.servers.services import KafkaForTests, VersityGw
from tests.support.site import Site
from training.synthetic.scenes import draw_scene

pytestmark = pytest.mark.timeout(1200)
SCENES = 12


@pytest.fixture(scope="module")
def site(kafka: KafkaForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Build a pipeline with its own gateway, whose notifications go to the input topic."""
    directory = tmp_path_factory.mktemp("e2e")
    topic = kafka.create_topic("images", partitions=2)
    gateway = VersityGw(directory, bootstrap_servers=kafka.bootstrap_servers, topic=topic, notify=print).start()
    site = Site(kafka, gateway.s3, directory)
    site.images = topic
    yield site
    gateway.s3.client.close()
    gateway.stop()


@pytest.fixture(scope="module")
def worker(site: Site) -> Iterator[WorkerProcess]:
    with site.build_worker(*REAL) as running:
        yield running.wait_until_started()


def run_zoomin(site: Site, *arguments: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env=site.process_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return finished.stdout


def test_uploads_become_verdicts_with_no_code_of_ours_between(site: Site, worker: WorkerProcess) -> None:
    for seed in range(SCENES):
        scene = draw_scene(9_500_000 + seed)
        site.upload(f"scenes/{seed}.png", encode_image(scene.image.pixels, "PNG"))
    verdicts, letters = site.wait_for_answers(SCENES, timeout_s=300)
    assert letters == []
    assert {v.image.key for v in verdicts} == {f"scenes/{seed}.png" for seed in range(SCENES)}
    assert all(v.model.engine.startswith("vllm ") for v in verdicts)
    assert any(region.zoomed for v in verdicts for region in v.scan.regions)
    assert "vllm:" in worker.get("/metrics")
    assert worker.get("/readyz") == "ok\n"


def test_why_was_this_flagged(site: Site, worker: WorkerProcess, tmp_path: Path) -> None:
    verdict = site.read_verdicts()[0]
    output = run_zoomin(site, "tail", "--event", verdict.event_id, "--once", "--json", "--save-cards", str(tmp_path))
    assert VerdictEvent.model_validate(json.loads(output.splitlines()[0])).verdict_id == verdict.verdict_id
    (card,) = tmp_path.glob("*.png")
    with Image.open(io.BytesIO(card.read_bytes())) as picture:
        assert picture.width > 600


def test_sigterm_ends_it_with_everything_committed(site: Site, worker: WorkerProcess) -> None:
    assert worker.stop() == 0
    ends = dict.fromkeys(range(site.partitions), 0)
    for record in site.kafka.read_records(site.images):
        ends[record.partition] = record.offset + 1
    assert {p: offset for p, offset in site.read_committed_offsets().items() if offset} == {
        p: e for p, e in ends.items() if e
    }
