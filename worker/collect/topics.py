"""The topics of `zoomin collect`: the settings by which each of its two loops reads, and the rights it needs."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from worker.common.sections import KafkaSettings
from worker.common.settings import Settings
from worker.kafka.client import TopicUse

DELETIONS_GROUP = "-deletions"
"""behind the name of the group of reviews: each topic has a group of its own"""


def build_review_settings(settings: Settings) -> KafkaSettings:
    return _build_settings(settings, settings.kafka.review_topic, "")


def build_deletion_settings(settings: Settings) -> KafkaSettings:
    return _build_settings(settings, settings.kafka.deletion_topic, DELETIONS_GROUP)


LOOPS: Mapping[str, Callable[[Settings], KafkaSettings]] = MappingProxyType(
    {"reviews": build_review_settings, "deletions": build_deletion_settings}
)


def list_collect_topics(settings: KafkaSettings) -> list[TopicUse]:
    return [
        TopicUse(settings.review_topic, "REVIEW_TOPIC", "READ"),
        TopicUse(settings.deletion_topic, "DELETION_TOPIC", "READ"),
        TopicUse(settings.verdict_topic, "VERDICT_TOPIC", "READ"),
        TopicUse(settings.review_dead_letter_topic, "REVIEW_DEAD_LETTER_TOPIC", "WRITE"),
    ]


def _build_settings(settings: Settings, topic: str, suffix: str) -> KafkaSettings:
    group = settings.collect.group_id or f"{settings.kafka.group_id}-collect"
    return settings.kafka.model_copy(
        update={
            "group_id": f"{group}{suffix}",
            "input_topic": topic,
            "dead_letter_topic": settings.kafka.review_dead_letter_topic,
            "delivery": "at_least_once",  # nothing but dead letters is sent
        }
    )
