import json
from datetime import timedelta

import pytest

from pipeline.registry.champion import Champion
from pipeline.registry.manifest import MANIFEST_NAME
from pipeline.registry.promotion import promote, read_history, rollback
from pipeline.registry.survey import survey_registry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, build_registry, put_revision
from training.cli.revision_tables import (
    build_history_table,
    build_manifest_table,
    build_state_table,
    convert_state,
    print_tables,
)


def test_operators_see_what_serves_and_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    s3 = MemoryS3()
    registry = build_registry(s3)
    old = put_revision(s3, build_files(b"old"), age=timedelta(days=1))
    new = put_revision(s3, build_files(b"new"), parent=old.revision)
    unfinished = put_revision(s3, build_files(b"unfinished"))
    del s3.objects[registry.build_file_key(unfinished.revision, MANIFEST_NAME)]
    for manifest in (old, new):
        promote(registry, manifest.revision, by="anna", reason="[better]", now=NOW)
    rollback(registry, by="ben", reason="worse", now=NOW)
    state = survey_registry(registry)
    print_tables(build_state_table(state), build_manifest_table(new), build_history_table(read_history(registry)))
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert [old.revision, "champion"] in [row[:2] for row in rows]
    assert [unfinished.revision, "unfinished"] in rows
    assert ["parent", old.revision] in rows
    assert ["3", old.revision, "2026-01-01", "00:00", "ben", "worse", new.revision] in rows
    assert "[better]" in printed
    converted = json.loads(json.dumps(convert_state(state)))
    assert Champion.model_validate(converted["champion"]).rolled_back == new.revision
    assert [row["role"] for row in converted["revisions"]] == ["", "champion", ""]
