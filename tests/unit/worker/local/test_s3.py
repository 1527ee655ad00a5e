import json
from pathlib import Path

from worker.local.s3 import SeaweedFs, render_identities


def test_one_user_holds_the_given_key() -> None:
    (user,) = json.loads(render_identities("who", "what"))["identities"]
    assert user["credentials"] == [{"accessKey": "who", "secretKey": "what"}]
    assert "Write" in user["actions"]


def test_nobody_else_reads_the_secret(tmp_path: Path) -> None:
    weed = SeaweedFs(tmp_path)
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0
    assert SeaweedFs(tmp_path).secret_key == weed.secret_key
