"""The project of Label Studio that holds our cases: found or created, its page checked, its images made readable."""

from collections.abc import Callable

from pipeline.errors import BadSettings
from pipeline.storage.credentials import read_access_keys
from training.errors import LabelStudioRefusal
from training.label_studio.answers import Project
from training.label_studio.client import LabelStudio
from training.label_studio.config import CONFIG
from training.labeling.bucket import LabelingBucket
from training.settings import TrainSettings

PROJECT_SETTING = "ZOOMIN_TRAIN_LABELS_PROJECT"
KEY_SETTINGS = "ZOOMIN_TRAIN_LABELS_S3_ACCESS_KEY and _S3_SECRET_KEY"


def open_label_studio(settings: TrainSettings) -> LabelStudio:
    """Open the connection that the settings name. Raises: BadSettings."""
    return LabelStudio(
        settings.labels_url, settings.labels_token.get_secret_value(), timeout_s=settings.labels_timeout_s
    )


def find_project(client: LabelStudio, title: str) -> Project | None:
    """Find the project of this title; None if there is none.

    Raises: BadSettings if there are several, or if it shows another page than ours.
    """
    found = client.find_projects(title)
    if len(found) > 1:
        raise BadSettings(
            f"Label Studio has {len(found)} projects named {title}; rename the others, or set {PROJECT_SETTING}"
        )
    if found and found[0].label_config.strip() != CONFIG:
        raise BadSettings(
            f"the labeling interface of project {title} is not that of this version: labels of two interfaces do not "
            f"mix. Put training/label_studio/config.xml back into its settings, or set {PROJECT_SETTING} to a new title"
        )
    return found[0] if found else None


def prepare_project(client: LabelStudio, title: str, notify: Callable[[str], None]) -> Project:
    """Find the project, or create it and say so. Raises: as `find_project`."""
    project = find_project(client, title)
    if project is None:
        project = client.create_project(title, CONFIG)
        notify(
            f"made the project {title}. If somebody renamed the one that was in use, stop this push, delete the new "
            "one and give the other its title back: all open cases would be labeled twice"
        )
    return project


def prepare_storage(
    client: LabelStudio, project: Project, bucket: LabelingBucket, settings: TrainSettings
) -> str | None:
    """Let Label Studio read the images of the bucket, unless it does already; return a warning for the operator.

    Raises: BadSettings if it cannot reach them.
    """
    if any(storage.bucket == bucket.name for storage in client.list_storages(project.id)):
        return None
    access_key, secret_key = settings.labels_s3_access_key, settings.labels_s3_secret_key.get_secret_value()
    warning = None
    if not access_key:
        keys = read_access_keys()
        if keys.expire:
            raise BadSettings(
                f"the AWS_* of this process expire, and Label Studio keeps what it gets; set {KEY_SETTINGS}"
            )
        access_key, secret_key = keys.access_key, keys.secret_key
        warning = (
            "Label Studio reads the bucket with the AWS_* of this process, so its users can read all that these can; "
            f"set {KEY_SETTINGS} to a key that reads images/ alone"
        )
    try:
        client.create_storage(
            project.id, bucket.name, access_key=access_key, secret_key=secret_key, region=settings.s3_region
        )
    except LabelStudioRefusal as error:
        endpoint = settings.s3_endpoint_url
        cure = (
            f"start it with LABEL_STUDIO_S3_ENDPOINT={endpoint} (or the address by which it reaches this S3)"
            if endpoint
            else "start it without LABEL_STUDIO_S3_ENDPOINT, for AWS"
        )
        raise BadSettings(
            f"Label Studio cannot read the bucket {bucket.name}: {error.detail}; {cure}, and check {KEY_SETTINGS}"
        ) from error
    return warning
