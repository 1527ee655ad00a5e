"""Where the demo runs: a local stack, or a person's own Kafka and S3 under names that nobody else uses."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors as kafka_errors
from kafka.admin import NewTopic

from pipeline.errors import TopicMissing
from worker.common.settings import KafkaSettings, Settings, adopt
from worker.kafka.client import admin_client, unreachable
from worker.local.server import Say
from worker.local.stack import DEAD_LETTER_MESSAGE_BYTES, INPUT_MESSAGE_BYTES, LocalStack
from worker.storage.store import ImageStore, create_bucket

BUCKET = "zoomin.demo.images"
NAMES = {
    "ZOOMIN_KAFKA__GROUP_ID": "zoomin.demo",
    "ZOOMIN_KAFKA__INPUT_TOPIC": "zoomin.demo.images",
    "ZOOMIN_KAFKA__VERDICT_TOPIC": "zoomin.demo.verdicts",
    "ZOOMIN_KAFKA__DEAD_LETTER_TOPIC": "zoomin.demo.images.dlt",
    "ZOOMIN_STORE__BUCKETS": BUCKET,
    "ZOOMIN_SAMPLING__BUCKET": "",
}
# Ours for the local stack are whole, and nothing of the person's may mix with them or stand between.
FOREIGN = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


@contextmanager
def local_site(say: Say) -> Iterator[Settings]:
    """A stack of our own, with everything the demo needs; gone at the end."""
    with LocalStack(say=say) as stack:
        settings = adopt(stack.environment() | NAMES, without=FOREIGN)
        create(settings)
        yield settings


def own_site(*, may_create: bool) -> Settings:
    """The person's Kafka and S3.

    Raises: FatalError that names what is missing there, unless it may be created.
    """
    settings = adopt(NAMES)
    if may_create:
        create(settings)
    else:
        check(settings)
    return settings


def create(settings: Settings) -> None:
    """Those of the demo's topics and its bucket that are not there yet."""
    kafka = settings.kafka
    limits = {
        kafka.input_topic: INPUT_MESSAGE_BYTES,
        kafka.verdict_topic: INPUT_MESSAGE_BYTES,
        kafka.dead_letter_topic: DEAD_LETTER_MESSAGE_BYTES,
    }
    try:
        with admin_client(kafka) as admin:
            missing = sorted(limits.keys() - set(admin.list_topics()))
            if missing:
                # -1: as many replicas as the cluster's own default
                topics = [NewTopic(n, 1, -1, topic_configs={"max.message.bytes": str(limits[n])}) for n in missing]
                admin.create_topics(topics)
                admin.wait_for_topics(missing)
    except kafka_errors.KafkaError as error:
        raise unreachable(kafka, error) from error
    create_bucket(settings.store, BUCKET)


def check(settings: Settings) -> None:
    """Raises: FatalError."""
    missing = [f"topic {topic}" for topic in _missing_topics(settings.kafka)]
    problem = asyncio.run(_bucket_problem(settings))
    missing += [f"bucket {BUCKET} ({problem})"] if problem else []
    if missing:
        raise TopicMissing(f"not there yet: {', '.join(missing)}; `zoomin demo --create` creates what is missing")


def _missing_topics(kafka: KafkaSettings) -> list[str]:
    try:
        with admin_client(kafka) as admin:
            there = set(admin.list_topics())
    except kafka_errors.KafkaError as error:
        raise unreachable(kafka, error) from error
    return [topic for topic in (kafka.input_topic, kafka.verdict_topic, kafka.dead_letter_topic) if topic not in there]


async def _bucket_problem(settings: Settings) -> str | None:
    store = ImageStore(settings.store)
    try:
        return await store.check(BUCKET)
    finally:
        store.close()
