"""The registry of a model on two independent S3 servers, by the command line and by processes that are killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings, ChampionChanged
from pipeline.registry.address import ModelAddress
from pipeline.registry.cache import RevisionCache
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.promotion import promote, read_history
from pipeline.registry.push import push_revision
from pipeline.registry.registry import ModelRegistry
from tests.support.paths import MODEL, ROOT
from tests.support.registries import write_checkpoint
from tests.support.servers.services import S3ForTests, eventually
from training.__main__ import main
from training.common.model_registry import open_registry
from training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMOTERS, ROUNDS = 6, 4
SLOW_FETCH = """
import sys, time
from pathlib import Path
from pipeline.registry import download
from pipeline.registry.address import parse_address
from pipeline.registry.cache import RevisionCache
from training.common.model_registry import open_registry
from training.settings import load

stream = download.stream_object

def stream_slowly(*arguments, **options):
    for part in stream(*arguments, **options):
        yield part
        if len(part) == 1_000_000:
            print("a part", flush=True)
            time.sleep(float(sys.argv[3]))

download.stream_object = stream_slowly
address = parse_address(sys.argv[1])
with open_registry(address, load()) as registry:
    with RevisionCache(Path(sys.argv[2]), 1 << 30).fetch(registry, address.revision) as folder:
        print(folder, flush=True)
"""


@dataclass(frozen=True)
class Place:
    """A model in a bucket, by the command line; `registry` is the same by function calls."""

    address: ModelAddress
    registry: ModelRegistry
    capsys: pytest.CaptureFixture[str]

    def run(self, verb: str, *words: object, code: int = 0, revision: str | None = None) -> Any:
        """Run a verb, and return its JSON, or its error where `code` is another than 0."""
        model = str(replace(self.address, revision=revision))
        assert main(["models", verb, model, "--json", *map(str, words)]) == code
        printed = self.capsys.readouterr()
        return printed.err if code else json.loads(printed.out.splitlines()[-1])

    def push(self, directory: Path) -> RevisionManifest:
        return push_revision(
            self.registry,
            directory,
            parent=None,
            data_digest=None,
            gate=None,
            smoke=[],
            created_by="test",
            now=datetime.now(UTC),
        )


@pytest.fixture(params=["seaweedfs", "versitygw"])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Iterator[Place]":
    service = request.getfixturevalue(request.param)
    s3: S3ForTests = getattr(service, "s3", service)
    for name, value in s3.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_ENDPOINT_URL", s3.endpoint_url)
    monkeypatch.setenv("ZOOMIN_TRAIN_S3_REGION", s3.region)
    address = ModelAddress(s3.create_bucket("weights"), MODEL.name)
    with open_registry(address, TrainSettings()) as registry:
        yield Place(address, registry, capsys)


def test_a_model_goes_through_all_verbs(place: Place, tmp_path: Path) -> None:
    assert place.run("list") == {"champion": None, "revisions": []}
    assert "has no champion yet: promote a revision" in place.run("show", code=2)
    gate, smoke = tmp_path / "gate.json", tmp_path / "fake.png"
    gate.write_text('a line for people\n{"passed": true}\n')
    smoke.write_bytes(b"png")
    pushed = place.run("push", MODEL, "--smoke", f"generated={smoke}", "--gate", gate)
    revision = Checkpoint.read(MODEL).revision
    assert (pushed["revision"], pushed["was_there"], pushed["gate"]) == (revision, False, {"passed": True})
    assert place.run("push", MODEL, "--smoke", f"generated={smoke}", "--gate", gate)["was_there"]
    assert "was pushed by" in place.run("push", MODEL, code=2)
    first = place.run("promote", "--reason", "the first", revision=revision)
    assert (first["revision"], first["previous"]) == (revision, None)

    refused = place.push(write_checkpoint(tmp_path / "other").path)
    second = place.run("promote", "--reason", "a trial", "--by", "anna", revision=refused.revision)
    assert (second["by"], second["previous"]) == ("anna", revision)
    assert f"{revision} was expected to serve" in place.run("rollback", "--reason", "x", revision=revision, code=1)
    back = place.run("rollback", "--reason", "worse", revision=refused.revision)
    assert (back["revision"], back["rolled_back"]) == (revision, refused.revision)
    assert "there is no champion before" in place.run("rollback", "--reason", "again", code=2)

    shown = place.run("show")
    assert [change["number"] for change in shown["history"]] == [3, 2, 1]
    assert shown["manifest"]["revision"] == revision
    assert place.run("show", revision=refused.revision)["manifest"]["revision"] == refused.revision
    assert place.run("prune", "--newest", 0, "--dry-run")["deleted"] == [refused.revision]
    assert place.run("prune", "--newest", 0)["deleted"] == [refused.revision]
    assert [row["role"] for row in place.run("list")["revisions"]] == ["champion"]
    assert "manifest.json is missing" in place.run("promote", "--reason", "x", revision=refused.revision, code=2)


def test_what_is_fetched_is_what_was_pushed_and_a_changed_object_is_named(place: Place, tmp_path: Path) -> None:
    manifest, cache = place.push(MODEL), RevisionCache(tmp_path, 1 << 30)
    with cache.fetch(place.registry, manifest.revision) as folder:
        checkpoint = Checkpoint.read(folder)
        assert (checkpoint.name, checkpoint.revision) == (MODEL.name, manifest.revision)
    key = place.registry.build_file_key(manifest.revision, "model.safetensors")
    place.registry.client.put_object(Bucket=place.address.bucket, Key=key, Body=b"other weights")
    with cache.fetch(place.registry, manifest.revision):
        pass  # the cached file is right
    shutil.rmtree(folder)
    with pytest.raises(BadSettings, match=f"{key} is not the file that the manifest names"):
        cache.fetch(place.registry, manifest.revision).__enter__()
    assert place.push(MODEL).files == manifest.files
    with cache.fetch(place.registry, manifest.revision) as folder:
        assert Checkpoint.read(folder).revision == manifest.revision


def test_of_many_promoters_at_once_one_wins_each_time(place: Place, tmp_path: Path) -> None:
    revisions = [
        place.push(write_checkpoint(tmp_path / str(number), bytes([number])).path).revision
        for number in range(PROMOTERS)
    ]

    def run_promotion(revision: str) -> bool:
        try:
            promote(place.registry, revision, by=revision, reason="a race", now=datetime.now(UTC))
        except ChampionChanged:
            return False
        return True

    with ThreadPoolExecutor(PROMOTERS) as pool:
        rounds = [list(pool.map(run_promotion, revisions)) for _ in range(ROUNDS)]
    history = read_history(place.registry)
    assert [champion.number for champion in history] == list(range(len(history), 0, -1))
    assert all(newer.previous == older.revision for newer, older in pairwise(history))
    won = {revision for results in rounds for revision, has_won in zip(revisions, results, strict=True) if has_won}
    assert {champion.revision for champion in history} <= won


@pytest.mark.parametrize("place", ["seaweedfs"], indirect=True)
def test_a_killed_fetch_goes_on_and_others_wait_for_one_that_runs(place: Place, tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "model", os.urandom(8_000_000)).path
    address = replace(place.address, revision=place.push(directory).revision)
    cache = tmp_path / "cache"

    def start(seconds_per_part: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", SLOW_FETCH, str(address), str(cache), str(seconds_per_part)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def read_part_bytes() -> int:
        return max((path.stat().st_size for path in cache.rglob(".*.parts/*")), default=0)

    with start(60) as slow:
        assert eventually(lambda: read_part_bytes() >= 900_000)
        slow.send_signal(signal.SIGKILL)
    begun = read_part_bytes()
    assert 0 < begun < 8_000_000
    with start(0.05) as first, start(0.05) as second:
        printed = [process.communicate(timeout=60)[0].splitlines() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    parts = sum(lines.count("a part") for lines in printed)
    assert parts == 8 - begun // 1_000_000, "one of them downloads what is missing"
    assert printed[0][-1] == printed[1][-1]
    assert Checkpoint.read(Path(printed[0][-1])).revision == address.revision
