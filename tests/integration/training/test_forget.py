"""An image is forgotten on a real S3 and a real Label Studio: a search over all that they keep finds nothing of it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pipeline.wire.labels import LabelCase, build_case_key, build_label_key
from tests.support.builders import build_noise, encode_image
from tests.support.labels import START, build_case, build_label
from tests.support.servers.label_studio import LabelStudioForTests
from tests.support.servers.services import S3ForTests, eventually
from tests.support.verdicts import build_verdict
from training.__main__ import main
from training.common.journal import Journal
from training.labeling.bucket import open_labeling_bucket
from training.labeling.download import download_cases
from training.settings import TrainSettings

SIZE_PX = (64, 48)


class Site:
    """A labeling bucket with cases in Label Studio, and a set downloaded from it."""

    def __init__(self, s3: S3ForTests, label_studio: LabelStudioForTests, directory: Path) -> None:
        self.s3 = s3
        self.bucket = s3.create_labeling_bucket()
        self.label_studio = label_studio
        self.set = directory / "set"
        self.cache = directory / "cache"
        self.cases = [self._put_case(number) for number in range(3)]

    def _put_case(self, number: int) -> LabelCase:
        file = self.read_file(number)
        digest = hashlib.sha256(file).hexdigest()
        name = f"{number}-{self.bucket}"
        verdict = build_verdict(event_id=name, key=f"private/{name}.jpg", sha256=digest, size=SIZE_PX)
        case = build_case(verdict)
        label = build_label(case)
        for key, body in (
            (case.image.object_key, file),
            (build_case_key(case.case_id, START), case.model_dump_json().encode()),
            (build_label_key(case.case_id, label.label_id), label.model_dump_json().encode()),
        ):
            self.s3.client.put_object(Bucket=self.bucket, Key=key, Body=body)
        return case

    def read_file(self, number: int) -> bytes:
        return encode_image(build_noise(*SIZE_PX, seed=number), "PNG")

    def search(self, case: LabelCase, number: int) -> list[str]:
        """Name every place that holds the picture's bytes, its key, or the id of its event."""
        wanted = [self.read_file(number), case.image.key.encode(), case.event_id.encode()]
        places = {
            **{f"bucket {key}": key.encode() + self.read(key) for key in self.list_keys()},
            **{str(path): path.read_bytes() for path in self.list_files()},
        }
        return [name for name, content in places.items() if any(found in content for found in wanted)]

    def list_keys(self) -> list[str]:
        pages = self.s3.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        body: bytes = self.s3.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def list_files(self) -> Iterator[Path]:
        for directory in (self.label_studio.data_directory, self.set, self.cache):
            yield from (path for path in directory.rglob("*") if path.is_file())


@pytest.fixture
def site(
    seaweedfs: S3ForTests, label_studio: LabelStudioForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    variables = {
        "ZOOMIN_TRAIN_S3_ENDPOINT_URL": seaweedfs.endpoint_url,
        "ZOOMIN_TRAIN_LABELS_PROJECT": f"forget {uuid4().hex[:8]}",
        "ZOOMIN_TRAIN_LABELS_DOUBLE_FRACTION": "1",
        "ZOOMIN_TRAIN_CACHE": str(tmp_path / "cache"),
        **label_studio.environment,
        **seaweedfs.credentials,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Site(seaweedfs, label_studio, tmp_path)


def forget(site: Site, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    data = str(site.label_studio.data_directory)
    command = ["labels", "forget", f"s3://{site.bucket}", "--set", str(site.set), "--label-studio-data", data]
    capsys.readouterr()
    assert main([*command, "--json", *options]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_a_forgotten_image_is_nowhere_and_its_neighbours_are_where_they_were(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = f"s3://{site.bucket}"
    with open_labeling_bucket(bucket, TrainSettings()) as opened:
        download_cases(opened, site.set)
    remove_labels(site)
    assert main(["labels", "push", bucket]) == 0
    export(site)
    gone, kept = site.cases[:2]
    keep_answer(site, gone)
    before = site.search(kept, 1)
    assert len(site.search(gone, 0)) >= 5, "bucket, download, a model's answer, Label Studio's database and export"

    found = forget(site, capsys, "--event", gone.event_id, "--dry-run")
    assert (list(found["images"]), found["tasks"], len(found["copies"])) == ([gone.image.sha256], 1, 1)
    assert len(site.search(gone, 0)) >= 5

    done = forget(site, capsys, "--event", gone.event_id)
    assert {**done, "objects": 0} == {**found, "objects": 0}
    tombstone = f"deleted/{gone.image.sha256}.json"  # names the case, whose id is a hash outside of tests
    assert eventually(lambda: site.search(gone, 0) == [f"bucket {tombstone}"])
    assert gone.image.key.encode() not in site.read(tombstone)
    assert set(before) - set(done["exports"]) <= set(site.search(kept, 1))

    assert main(["labels", "push", bucket]) == 0
    again = forget(site, capsys, "--deleted")
    assert (again["tasks"], again["copies"], again["exports"]) == (0, [], [])


def keep_answer(site: Site, case: LabelCase) -> None:
    """Leave a model's explanation in the cache, as `evaluate` does; here it quotes what the search looks for."""
    with Journal(site.cache / "answers" / "model-1.jsonl") as answers:
        answers.put("a query", f"The caption reads {case.event_id}.")


def remove_labels(site: Site) -> None:
    """Leave the cases without labels, so that they are sent to annotators."""
    for key in site.list_keys():
        if key.startswith("labels/"):
            site.s3.client.delete_object(Bucket=site.bucket, Key=key)


def export(site: Site) -> None:
    """Export the project as a user may do in the browser; our own commands never do."""
    with site.label_studio.connect() as client:
        projects = client.get("/api/projects/", params={"page_size": 100}).raise_for_status().json()["results"]
        for project in projects:
            if project["title"].startswith("forget "):
                client.get(f"/api/projects/{project['id']}/export", params={"exportType": "JSON"}).raise_for_status()
