from pathlib import Path
from typing import cast

import pytest
import structlog.testing

from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings, CacheFull, StoreUnavailable
from pipeline.registry.address import ModelAddress
from pipeline.registry.cache import RevisionCache
from pipeline.registry.manifest import SmokeQuestion
from pipeline.verdict import Verdict
from tests.support.memory_registry import MemoryRegistry
from tests.support.registries import write_checkpoint
from worker.common.sections import EngineSettings, StoreSettings
from worker.serving.refusal import ModelRefused, Refusal
from worker.serving.revisions import Revisions, fetch_model, fetch_previous_model

SMOKE = SmokeQuestion(image="smoke/1.png", verdict=Verdict.GENERATED)
BAD_CARD = '{"prompt_version": "9"}'


@pytest.fixture
def memory(tmp_path: Path) -> MemoryRegistry:
    return MemoryRegistry(tmp_path)


def build_revisions(memory: MemoryRegistry, revision: str | None = None) -> Revisions:
    return Revisions(memory.registry, cast("RevisionCache", memory), ModelAddress("weights", "tiny", revision))


def test_a_directory_is_read_where_it_is(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "mine").path
    model = fetch_model(EngineSettings(model=directory), StoreSettings())
    assert (model.checkpoint.path, model.smoke) == (directory, ())


def test_the_champion_is_the_one_of_the_pointer_and_a_pinned_revision_stays(memory: MemoryRegistry) -> None:
    first, second = memory.push("a"), memory.push("b")
    with pytest.raises(BadSettings, match="s3://weights/models/tiny has no champion"):
        build_revisions(memory).find_named()
    memory.promote(second)
    assert build_revisions(memory).find_named() == second
    assert build_revisions(memory, first).find_named() == first


def test_a_fetched_revision_is_held_until_it_is_released_and_brings_its_smoke_questions(memory: MemoryRegistry) -> None:
    revision = memory.push("a", smoke=[SMOKE])
    model = build_revisions(memory).fetch(revision)
    assert (model.checkpoint.revision, model.checkpoint.name, model.smoke) == (revision, "tiny", (SMOKE,))
    assert memory.held == [revision]
    model.hold.close()
    assert memory.held == []


def test_a_revision_without_a_manifest_is_refused(memory: MemoryRegistry) -> None:
    with pytest.raises(ModelRefused, match=r"manifest.json is missing: push the revision again") as caught:
        build_revisions(memory).fetch("sha256:" + "0" * 64)
    assert caught.value.reason is Refusal.MANIFEST


def test_a_wrong_file_is_refused_and_an_outage_is_none(memory: MemoryRegistry) -> None:
    revision = memory.push("a")
    memory.error = BadSettings("model.safetensors is not the file that the manifest names")
    with pytest.raises(ModelRefused, match=r"model\.safetensors") as caught:
        build_revisions(memory).fetch(revision)
    assert caught.value.reason is Refusal.FILES
    for outage in (StoreUnavailable("away"), CacheFull("no room")):
        memory.error = outage
        with pytest.raises(type(outage)):
            build_revisions(memory).fetch(revision)


def test_a_card_that_cannot_be_followed_is_refused_before_and_after_the_download(memory: MemoryRegistry) -> None:
    revision = memory.push("a")
    (memory.folders[revision] / "zoomin.json").write_text(BAD_CARD)
    memory.put(f"revisions/{revision.replace(':', '-')}/zoomin.json", BAD_CARD.encode())
    for read in (build_revisions(memory).fetch, build_revisions(memory).read_card):
        with pytest.raises(ModelRefused, match=r"zoomin\.json cannot be followed: prompt_version") as caught:
            read(revision)
        assert caught.value.reason is Refusal.CARD
    assert memory.held == []


def test_files_of_another_revision_are_refused(memory: MemoryRegistry) -> None:
    revision = memory.push("a")
    (memory.folders[revision] / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ModelRefused, match=r"are those of another revision, sha256:") as caught:
        build_revisions(memory).fetch(revision)
    assert caught.value.reason is Refusal.CARD
    assert memory.held == []


def test_a_card_is_read_without_the_weights(memory: MemoryRegistry) -> None:
    revision = memory.push("a", card='{"max_crops": 3}')
    memory.error = AssertionError("no download")
    assert build_revisions(memory).read_card(revision) == CheckpointCard(max_crops=3)


def test_the_champion_before_is_fetched_in_place_of_a_refused_one(memory: MemoryRegistry) -> None:
    first, second = memory.push("a"), memory.push("b")
    refusal = ModelRefused(Refusal.SMOKE, "another verdict")
    memory.promote(first)
    with pytest.raises(ModelRefused, match="another verdict"):
        build_revisions(memory).fetch_previous(refusal)
    memory.promote(second)
    with structlog.testing.capture_logs() as lines:
        assert build_revisions(memory).fetch_previous(refusal).checkpoint.revision == first
    assert (lines[0]["event"], lines[0]["revision"], lines[0]["reason"]) == ("model_refused", second, "smoke")


def test_a_worker_that_does_not_follow_starts_with_nothing_else() -> None:
    refusal = ModelRefused(Refusal.SMOKE, "another verdict")
    settings = EngineSettings.model_validate({"model": "s3://weights/models/tiny"})
    with pytest.raises(ModelRefused, match="another verdict"):
        fetch_previous_model(settings, StoreSettings(), refusal)
