from datetime import timedelta

from pipeline.registry.champion import Champion
from pipeline.registry.survey import survey_registry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, build_registry, put_revision


def test_the_newest_revision_comes_first_and_unfinished_ones_last() -> None:
    s3 = MemoryS3()
    registry = build_registry(s3)
    old, new, unfinished = (
        put_revision(s3, build_files(weights), age=timedelta(days=days))
        for weights, days in ((b"old", 2), (b"new", 1), (b"unfinished", 0))
    )
    del s3.objects[registry.build_file_key(unfinished.revision, "manifest.json")]
    registry.write_pointer(
        Champion(revision=new.revision, promoted_at=NOW, by="anna", reason="", previous=old.revision), etag=None
    )
    state = survey_registry(registry)
    assert [row.revision for row in state.revisions] == [new.revision, old.revision, unfinished.revision]
    assert [state.name_role(row.revision) for row in state.revisions] == ["champion", "previous", ""]
    assert "manifest.json is missing" in state.revisions[-1].problem
