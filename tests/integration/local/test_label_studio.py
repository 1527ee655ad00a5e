"""The real Label Studio of the local stack: who gets in, what it reads, and what stays after a restart."""

import fcntl
import hashlib
from pathlib import Path

import httpx
import pytest

from pipeline.errors import LocalStackFailed
from tests.conftest import present
from tests.support.servers.label_studio import LabelStudioForTests
from tests.support.servers.services import S3ForTests
from worker.local.label_studio import LabelStudio
from worker.local.label_studio_packages import install_label_studio
from worker.local.stack import CACHE

PIXELS = b"an image"


def connect(url: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Token {token}"}, timeout=60, trust_env=False)


def read_email(url: str, token: str) -> str:
    with connect(url, token) as client:
        email: str = client.get("/api/current-user/whoami").raise_for_status().json()["email"]
        return email


def test_tokens_open_it_and_strangers_cannot_sign_up(label_studio: LabelStudioForTests) -> None:
    email, token = label_studio.invite("member")
    assert read_email(label_studio.url, token) == email
    assert read_email(label_studio.url, label_studio.token) == label_studio.user
    with httpx.Client(base_url=label_studio.url, timeout=60, trust_env=False) as stranger:
        assert stranger.get("/api/current-user/whoami").status_code == 401
        stranger.get("/user/login/").raise_for_status()
        form = {
            "csrfmiddlewaretoken": stranger.cookies["csrftoken"],
            "email": "stranger@zoomin.local",
            "password": label_studio.password,
        }
        refused = stranger.post("/user/signup/", data=form, headers={"Referer": label_studio.url})
        assert refused.status_code == 403
        assert stranger.get("/api/current-user/whoami").status_code == 401


def test_it_shows_images_of_a_labeling_bucket_and_no_cases(
    label_studio: LabelStudioForTests, seaweedfs: S3ForTests
) -> None:
    bucket = seaweedfs.create_labeling_bucket()
    for key in ("images/a.png", "cases/a.json"):
        seaweedfs.client.put_object(Bucket=bucket, Key=key, Body=PIXELS)
    with label_studio.connect() as client:
        config = '<View><Image name="image" value="$image"/></View>'
        project = client.post("/api/projects", json={"title": bucket, "label_config": config}).raise_for_status().json()
        storage = {
            "project": project["id"],
            "bucket": bucket,
            "prefix": "images",
            "use_blob_urls": True,
            "presign": False,
            "aws_access_key_id": label_studio.environment["ZOOMIN_TRAIN_LABELS_S3_ACCESS_KEY"],
            "aws_secret_access_key": label_studio.environment["ZOOMIN_TRAIN_LABELS_S3_SECRET_KEY"],
            "region_name": seaweedfs.region,
        }
        client.post("/api/storages/s3", json=storage).raise_for_status()
        tasks = [{"image": f"s3://{bucket}/{key}"} for key in ("images/a.png", "cases/a.json")]
        client.post(f"/api/projects/{project['id']}/import", json=tasks).raise_for_status()
        answer = client.get("/api/tasks", params={"project": project["id"], "fields": "all"}).raise_for_status()
        image, case = [client.get(task["data"]["image"]) for task in answer.json()["tasks"]]
    assert image.content == PIXELS
    assert not case.is_success
    assert PIXELS not in case.content


def test_a_restart_keeps_its_users_and_variables_of_other_programs_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USERNAME", "PASSWORD", "HOST", "PORT", "LABEL_STUDIO_PORT", "DJANGO_DB", "AWS_ACCESS_KEY_ID"):
        monkeypatch.setenv(name, "tcp://of-another-program:1")
    server = LabelStudio(tmp_path, cache=CACHE, notify=print, s3_endpoint_url="http://127.0.0.1:9", remove=tmp_path)
    present(server.start)
    url, token = server.url, server.token
    assert read_email(url, token) == server.user
    server.kill()
    again = LabelStudio(tmp_path, cache=CACHE, notify=print, s3_endpoint_url="http://127.0.0.1:9", remove=tmp_path)
    again.start()
    assert (again.url, again.token) == (url, token)
    assert read_email(url, token) == server.user
    again.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False)


class TestInstallation:
    def test_one_that_fails_is_made_anew_by_the_next(self, tmp_path: Path) -> None:
        """Without a package there is no server to migrate its database."""
        requirements = tmp_path / "label-studio.txt"
        requirements.write_text("")
        for _ in range(2):
            with pytest.raises(LocalStackFailed, match="No module named 'label_studio'"):
                install_label_studio(tmp_path / "cache", notify=print, requirements=requirements)
            (environment,) = (tmp_path / "cache").glob("label-studio-*/")
            leftover = environment / "leftover"
            assert not leftover.exists()
            leftover.touch()

    def test_a_second_process_waits_for_the_first(self, tmp_path: Path) -> None:
        requirements = tmp_path / "label-studio.txt"
        requirements.write_text("")
        digest = hashlib.sha256(b"").hexdigest()[:16]
        sentences: list[str] = []
        with (tmp_path / f"label-studio-{digest}.lock").open("w") as first:
            fcntl.flock(first, fcntl.LOCK_EX)

            def end_the_first(sentence: str) -> None:
                sentences.append(sentence)
                first.close()

            with pytest.raises(LocalStackFailed, match="could not be installed"):
                install_label_studio(tmp_path, notify=end_the_first, requirements=requirements)
        assert "Waiting for another process" in sentences[0]
        assert "Installing" in sentences[1]

    def test_missing_requirements_say_where_to_start_it(self, tmp_path: Path) -> None:
        with pytest.raises(LocalStackFailed, match="checkout"):
            install_label_studio(tmp_path, notify=print, requirements=tmp_path / "missing.txt")
