"""Kafka and S3 of the demo: a local stack, or the user's own services under names of their own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors as kafka_errors
from kafka.admin import NewTopic

from pipeline.errors import TopicMissing
from worker.common.sections import KafkaSettings
from worker.common.settings import Settings, override_settings
from worker.kafka.client import build_connection_error, open_admin_client
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES, INPUT_MESSAGE_BYTES
from worker.local.server import Notify
from worker.local.stack import LocalStack
from worker.storage.buckets import create_bucket
from worker.storage.image_store import ImageStore

BUCKET = "zoomin.demo.images"
NAMES = {
    "ZOOMIN_KAFKA__GROUP_ID": "zoomin.demo",
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.demo.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.demo.verdicts",
    "ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.demo.images.dlt",
    "ZOOMIN_STORE__BUCKETS": BUCKET,
    "ZOOMIN_SAMPLING__BUCKET": "",
}
# Variables of the user that must not mix with those of the local stack.
USER_VARIABLES = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@contextmanager
def start_local_site(notify: Notify) -> Iterator[Settings]:
    """Start a local stack with all topics and buckets of the demo; stop it after the `with` block."""
    with LocalStack(notify=notify) as stack:
        settings = override_settings(stack.build_environment() | NAMES, without=USER_VARIABLES)
        create_missing(settings)
        yield settings


def open_own_site(*, may_create: bool) -> Settings:
    """Use the user's Kafka and S3.

    Raises: FatalError that names missing topics and buckets, unless they may be created.
    """
    settings = override_settings(NAMES)
    if may_create:
        create_missing(settings)
    else:
        check_site(settings)
    return settings


def create_missing(settings: Settings) -> None:
    """Create the topics of the demo and its bucket, as far as they do not exist yet."""
    kafka = settings.kafka
    limits = {
        kafka.input_topic: INPUT_MESSAGE_BYTES,
        kafka.verdict_topic: INPUT_MESSAGE_BYTES,
        kafka.dead_letter_topic: DEAD_LETTER_MESSAGE_BYTES,
    }
    try:
        with open_admin_client(kafka) as admin:
            missing = sorted(limits.keys() - set(admin.list_topics()))
            if missing:
                # -1: as many replicas as the cluster's own default
                topics = [NewTopic(n, 1, -1, topic_configs={"max.message.bytes": str(limits[n])}) for n in missing]
                admin.create_topics(topics)
                admin.wait_for_topics(missing)
    except kafka_errors.KafkaError as error:
        raise build_connection_error(kafka, error) from error
    create_bucket(settings.store, BUCKET)


def check_site(settings: Settings) -> None:
    """Check that the topics of the demo and its bucket exist. Raises: FatalError."""
    missing = [f"topic {topic}" for topic in _list_missing_topics(settings.kafka)]
    problem = asyncio.run(_find_bucket_problem(settings))
    missing += [f"bucket {BUCKET} ({problem})"] if problem else []
    if missing:
        raise TopicMissing(f"not there yet: {', '.join(missing)}; `zoomin demo --create` creates what is missing")


def _list_missing_topics(kafka: KafkaSettings) -> list[str]:
    try:
        with open_admin_client(kafka) as admin:
            existing = set(admin.list_topics())
    except kafka_errors.KafkaError as error:
        raise build_connection_error(kafka, error) from error
    return [
        topic for topic in (kafka.input_topic, kafka.verdict_topic, kafka.dead_letter_topic) if topic not in existing
    ]


async def _find_bucket_problem(settings: Settings) -> str | None:
    store = ImageStore(settings.store)
    try:
        return await store.check(BUCKET)
    finally:
        store.close()
