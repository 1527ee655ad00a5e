import pytest

from pipeline.errors import BadSettings
from tests.support import fake_label_studio
from tests.support.fake_label_studio import FakeLabelStudio
from tests.support.labeling_place import LabelingPlace
from training.label_studio.client import LabelStudio
from training.label_studio.config import CONFIG
from training.label_studio.project import find_project, open_label_studio, prepare_project, prepare_storage
from training.settings import TrainSettings

OWN_KEYS = TrainSettings(labels_s3_access_key="reader", s3_endpoint_url="http://10.0.0.5:9000")


@pytest.fixture
def client(place: LabelingPlace) -> LabelStudio:
    return LabelStudio(fake_label_studio.URL, fake_label_studio.TOKEN, timeout_s=5, transport=place.server.transport)


def test_a_project_is_created_once(client: LabelStudio, place: LabelingPlace) -> None:
    assert find_project(client, "ZoomIn") is None
    project = prepare_project(client, "ZoomIn", place.said.append)
    assert prepare_project(client, "ZoomIn", place.said.append) == project
    assert len(place.server.projects) == 1
    assert len([line for line in place.said if line.startswith("made the project ZoomIn.")]) == 1


def test_two_projects_of_one_title_are_refused(client: LabelStudio) -> None:
    for _ in range(2):
        client.create_project("ZoomIn", CONFIG)
    with pytest.raises(BadSettings, match="has 2 projects named ZoomIn"):
        find_project(client, "ZoomIn")


def test_images_are_read_with_keys_of_their_own(client: LabelStudio, place: LabelingPlace) -> None:
    project = prepare_project(client, "ZoomIn", place.said.append)
    for _ in range(2):
        assert prepare_storage(client, project, place.bucket, OWN_KEYS) is None
    (storage,) = place.server.storages
    assert (storage["prefix"], storage["presign"], storage["aws_access_key_id"]) == ("images", False, "reader")
    assert "s3_endpoint" not in storage, "the server refuses one on a private network"


def test_without_keys_of_their_own_the_operator_is_warned(
    client: LabelStudio, place: LabelingPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = prepare_project(client, "ZoomIn", place.said.append)
    with pytest.raises(BadSettings, match="no credentials of AWS are found"):
        prepare_storage(client, project, place.bucket, TrainSettings())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary")
    with pytest.raises(BadSettings, match=r"this process expire.*set ZOOMIN_TRAIN_LABELS_S3_ACCESS_KEY"):
        prepare_storage(client, project, place.bucket, TrainSettings())
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    warning = prepare_storage(client, project, place.bucket, TrainSettings())
    assert warning is not None
    assert "set ZOOMIN_TRAIN_LABELS_S3_ACCESS_KEY" in warning
    assert place.server.storages[0]["aws_access_key_id"] == "own"


@pytest.mark.parametrize(
    "refusal", [(403, "URL resolves to a reserved network address"), (400, "Cannot find bucket labels in S3")]
)
def test_a_bucket_that_label_studio_cannot_reach_is_told_with_the_cure(
    client: LabelStudio, place: LabelingPlace, refusal: tuple[int, str]
) -> None:
    place.server.storage_refusal = refusal
    project = prepare_project(client, "ZoomIn", place.said.append)
    with pytest.raises(
        BadSettings, match=rf"{refusal[1]}; start it with LABEL_STUDIO_S3_ENDPOINT=http://10.0.0.5:9000"
    ):
        prepare_storage(client, project, place.bucket, OWN_KEYS)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (TrainSettings(), "ZOOMIN_TRAIN_LABELS_URL must be the address of Label Studio"),
        (TrainSettings(labels_url="labels.example.org"), "ZOOMIN_TRAIN_LABELS_URL"),
        (TrainSettings(labels_url="https://labels.example.org"), "ZOOMIN_TRAIN_LABELS_TOKEN must be a token"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: TrainSettings, problem: str) -> None:
    with pytest.raises(BadSettings, match=problem):
        open_label_studio(settings)


def test_the_fake_needs_a_token() -> None:
    with (
        LabelStudio(fake_label_studio.URL, "f" * 40, timeout_s=5, transport=FakeLabelStudio().transport) as stranger,
        pytest.raises(BadSettings, match="refuses the token"),
    ):
        find_project(stranger, "ZoomIn")
