from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import AccessDenied, BadSettings
from pipeline.registry.cache import RevisionCache
from pipeline.registry.manifest import RevisionManifest
from pipeline.registry.push import SmokeImage, push_revision
from pipeline.verdict import Verdict
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_registry, write_checkpoint


@dataclass
class Pusher:
    directory: Path
    s3: MemoryS3 = field(default_factory=MemoryS3)
    notices: list[str] = field(default_factory=list)

    def push(
        self, *, parent: str | None = None, smoke: tuple[SmokeImage, ...] = (), minute: int = 0
    ) -> RevisionManifest:
        return push_revision(
            build_registry(self.s3),
            self.directory,
            parent=parent,
            data_digest="d" * 64,
            gate={"passed": True},
            smoke=smoke,
            created_by="night@example",
            now=NOW + timedelta(minutes=minute),
            notify=self.notices.append,
        )

    def list_uploads(self) -> list[str]:
        return [key.rpartition("/")[2] for verb, key in self.s3.requests if verb == "put"]


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    write_checkpoint(tmp_path / "model")
    return Pusher(tmp_path / "model")


def test_what_was_pushed_is_fetched_with_its_smoke_images(pusher: Pusher, tmp_path: Path) -> None:
    (tmp_path / "cat.PNG").write_bytes(b"png")
    (pusher.directory / "optimizer.pt").write_bytes(b"large")
    (pusher.directory / ".cache").mkdir()
    manifest = pusher.push(smoke=(SmokeImage(tmp_path / "cat.PNG", Verdict.REAL),))
    (question,) = manifest.smoke
    with RevisionCache(tmp_path / "cache", 1000).fetch(build_registry(pusher.s3), manifest.revision) as folder:
        assert sorted(path.name for path in folder.iterdir()) == [
            "README.md",
            "config.json",
            "model.safetensors",
            "smoke",
        ]
        assert (folder / question.image).read_bytes() == b"png"
    assert question.verdict is Verdict.REAL
    assert "not pushed, as they change no answer: optimizer.pt" in pusher.notices
    assert pusher.list_uploads()[-1] == "manifest.json"


def test_a_push_that_was_killed_goes_on_and_another_one_changes_nothing(pusher: Pusher) -> None:
    manifest = write_checkpoint(pusher.directory)
    pusher.s3.refuse_writes = (build_registry(pusher.s3).build_file_key(manifest.revision, "model.safetensors"),)
    with pytest.raises(AccessDenied):
        pusher.push()
    pusher.s3.refuse_writes, pusher.s3.requests = (), []
    first = pusher.push()
    assert pusher.list_uploads() == ["model.safetensors", "manifest.json"]
    pusher.s3.requests = []
    assert pusher.push(minute=1) == first, "the manifest is that of the first push"
    assert pusher.list_uploads() == []


def test_a_file_that_was_damaged_in_the_bucket_is_repaired(pusher: Pusher) -> None:
    manifest = pusher.push()
    key = build_registry(pusher.s3).build_file_key(manifest.revision, "model.safetensors")
    pusher.s3.put_object(Bucket="models", Key=key, Body=b"damaged", ContentType="")
    pusher.push()
    assert pusher.s3.objects[key] == b"weights"


def test_a_revision_does_not_change_and_the_error_names_what_would(pusher: Pusher) -> None:
    first = pusher.push()
    (pusher.directory / "README.md").write_text("# Another text")
    with pytest.raises(BadSettings, match=r"was pushed by night@example with another files, parent \(README.md\)"):
        pusher.push(parent=first.revision)
    assert not [key for key in pusher.s3.objects.values() if key == b"# Another text"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("zoomin.json", '{"prompt_version": "9"}', "prompt_version: Input should be '1'"),
        ("manifest.json", "{}", "has the name of the registry's own file"),
        ("a\nb.json", "{}", "its name is not possible in a registry"),
    ],
)
def test_a_checkpoint_that_cannot_be_followed_is_refused(name: str, content: str, message: str, pusher: Pusher) -> None:
    (pusher.directory / name).write_text(content)
    with pytest.raises(BadSettings, match=message):
        pusher.push()
    assert pusher.s3.objects == {}


def test_a_directory_without_a_model_is_refused(pusher: Pusher) -> None:
    (pusher.directory / "config.json").unlink()
    with pytest.raises(BadSettings, match=r"no model in .*: it has no config.json"):
        pusher.push()


def test_a_file_that_changes_while_it_is_pushed_makes_no_revision(pusher: Pusher) -> None:
    class Changing(list[str]):
        def append(self, notice: str) -> None:
            if "uploading model.safetensors" in notice:
                (pusher.directory / "model.safetensors").write_bytes(b"WEIGHTS of another size")

    pusher.notices = Changing()
    with pytest.raises(BadSettings, match=r"model.safetensors changed while it was pushed"):
        pusher.push()
    assert not [key for key in pusher.s3.objects if key.endswith("manifest.json")]
