import subprocess
from pathlib import Path

from training.common import provenance


def test_the_commit_says_whether_the_code_was_changed_since(tmp_path: Path) -> None:
    def git(*asked: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *asked], cwd=tmp_path, check=True, capture_output=True)

    assert provenance.read_commit(tmp_path) == provenance.UNKNOWN
    (tmp_path / "training").mkdir()
    code, other = tmp_path / "training" / "code.py", tmp_path / "variants.json"
    for file in (code, other):
        file.write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    other.write_text("2")
    assert len(provenance.read_commit(tmp_path)) == 40
    code.write_text("2")
    assert provenance.read_commit(tmp_path).endswith("-dirty")
