import json
from pathlib import Path

from worker.local.s3 import SeaweedFs, build_identity, render_identities


def test_a_user_holds_the_given_key_and_all_rights_unless_some_are_named() -> None:
    first, second = json.loads(
        render_identities(build_identity("who", "what"), build_identity("reader", "word", ["Read:bucket/images/*"]))
    )["identities"]
    assert first["credentials"] == [{"accessKey": "who", "secretKey": "what"}]
    assert "Write" in first["actions"]
    assert second["actions"] == ["Read:bucket/images/*"]


def test_nobody_else_reads_the_secret(tmp_path: Path) -> None:
    weed = SeaweedFs(tmp_path)
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert SeaweedFs(tmp_path).secret_key == weed.secret_key
