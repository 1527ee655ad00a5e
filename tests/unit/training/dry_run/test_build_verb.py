from argparse import Namespace
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.builders import build_noise, encode_image
from training.annotation import disk_room
from training.annotation.build import BuildPlan
from training.annotation.endpoint import Endpoint
from training.dataset.frame import FrameOptions
from training.dry_run import build_verb

WORDS = ["build", "photos", "--out", "set"]


def make_plan(
    source: Path, endpoint: Endpoint | None = None, *, labels_only: bool = False, least: int = 1
) -> BuildPlan:
    return BuildPlan(
        source=source,
        out=source / "set",
        explain=endpoint,
        ground=endpoint,
        labels_only=labels_only,
        framing=FrameOptions(),
        box_frame="pixels",
        seed=0,
        least_per_class=least,
        workers=1,
        concurrency=1,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for file in ("real/a.jpg", "real/b.jpg", "generated/c.png", "d.png"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def test_images_are_counted_and_endpoints_named(source: Path) -> None:
    endpoint = Endpoint("explain", "https://host/v1", SecretStr("secret"), "large", (0.0, 0.0), 1.0, 1)
    step = build_verb.plan_build(make_plan(source, endpoint), WORDS, bucket=None)
    assert "the source has 1 generated, 2 real; 1 files have no label" in step.notes
    assert "large at https://host/v1 explains" in step.notes
    assert step.refusal is None
    assert "secret" not in str(step)


def test_a_build_without_endpoints_is_refused_unless_labels_are_enough(source: Path) -> None:
    refusal = build_verb.plan_build(make_plan(source), WORDS, bucket=None).refusal
    assert refusal is not None
    assert "3 images come without explanation" in refusal
    assert build_verb.plan_build(make_plan(source, labels_only=True), WORDS, bucket=None).refusal is None


def test_a_source_that_the_build_would_refuse_is_refused(source: Path, tmp_path: Path) -> None:
    few = build_verb.plan_build(make_plan(source, labels_only=True, least=20), WORDS, bucket=None).refusal
    assert few is not None
    assert "each class needs 20" in few
    empty = tmp_path / "empty"
    empty.mkdir()
    refusal = build_verb.plan_build(make_plan(empty, labels_only=True), WORDS, bucket=None).refusal
    assert refusal == f"no labeled image in {empty}; put them into folders real and generated"


def test_cases_of_a_bucket_are_not_fetched(tmp_path: Path) -> None:
    step = build_verb.plan_build(make_plan(tmp_path / "absent"), WORDS, bucket="s3://labels")
    assert step.reads == ["s3://labels"]


def test_the_size_of_the_set_is_told_and_a_full_disk_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in ("real", "generated"):
        (tmp_path / "in" / label).mkdir(parents=True)
        (tmp_path / "in" / label / "a.png").write_bytes(encode_image(build_noise(100, 80, seed=1), "PNG"))
    planned = make_plan(tmp_path / "in", labels_only=True)
    step = build_verb.plan_build(planned, WORDS, bucket=None)
    assert "the set takes about 0.0 MB (2 images of 0.0 MB on average)" in step.notes
    assert step.refusal is None
    monkeypatch.setattr(disk_room.shutil, "disk_usage", lambda _: Namespace(free=1_000))
    refusal = build_verb.plan_build(planned, WORDS, bucket=None).refusal
    assert refusal is not None
    assert "and the set takes about 0.0 MB" in refusal
