import json
from pathlib import Path

from tests.support.paths import MODEL
from training.erasure.checkpoints import find_trained_checkpoints


def test_checkpoints_are_found_by_the_digest_of_their_card(tmp_path: Path) -> None:
    trained_on = json.loads((MODEL / "zoomin.json").read_text())["trained_on"]
    for name, card in (("foreign", "[]"), ("broken", "{"), ("other", '{"trained_on": "sha256:0"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "zoomin.json").write_text(card)
    (tmp_path / "tiny").symlink_to(MODEL)
    # Links are not followed: no checkpoint counts twice.
    assert not list(find_trained_checkpoints(tmp_path, {trained_on}))
    (found,) = find_trained_checkpoints(MODEL, {trained_on, "sha256:1"})
    assert (found.directory, found.revision[:7]) == (MODEL, "sha256:")


def test_a_card_without_weights_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "zoomin.json").write_text('{"trained_on": "sha256:0"}')
    (found,) = find_trained_checkpoints(tmp_path, {"sha256:0"})
    assert found.revision.startswith("unknown: no model in ")
