"""What all our Kafka clients share: how they connect, and what they ask of the cluster before they work."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.net.compat import KafkaNetClient

from pipeline.errors import BadSettings, BrokerUnavailable, FatalError, TopicMissing
from worker.settings import KafkaSettings

Client = TypeVar("Client")

BOOTSTRAP_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 10.0
LETTER_HEADROOM_BYTES = 64 * 1024
DEFAULT_MESSAGE_BYTES = 1_048_588
"""the broker's own default of max.message.bytes"""


def connection(settings: KafkaSettings) -> dict[str, object]:
    """What every client is built with: where the brokers are, who we are, how patient we are."""
    password = settings.sasl_password
    return {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "client_id": "zoomin",
        "bootstrap_timeout_ms": ms(BOOTSTRAP_TIMEOUT_S),
        "request_timeout_ms": ms(REQUEST_TIMEOUT_S),
        "reconnect_backoff_max_ms": 1000,  # an outage would outlive the broker's return by the default of 30 s
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": None if password is None else password.get_secret_value(),
        "ssl_cafile": _path(settings.ssl_cafile),
        "ssl_certfile": _path(settings.ssl_certfile),
        "ssl_keyfile": _path(settings.ssl_keyfile),
    }


def connect(make: Callable[..., Client], settings: KafkaSettings, **options: object) -> Client:
    """A client of this kind, or nothing left behind.

    The client's own constructors leave a thread and sockets behind when no broker answers: an outage of an hour would
    use up the file descriptors.

    Raises: BadSettings for addresses and files that no client can start with; KafkaError when no broker answers.
    """
    for path in (settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile):
        if path is not None and not path.is_file():
            raise BadSettings(f"ZOOMIN_KAFKA__SSL_*: there is no file {path}")
    networks: list[KafkaNetClient] = []

    def network(**configs: object) -> KafkaNetClient:
        networks.append(KafkaNetClient(**configs))
        return networks[-1]

    try:
        return make(**connection(settings) | options, kafka_client=network)
    except BaseException as error:
        for opened in networks:
            opened.close()
        if isinstance(error, ValueError | OSError):
            raise BadSettings(f"the ZOOMIN_KAFKA__* settings are no usable connection: {error}") from error
        raise


def check_topics(settings: KafkaSettings) -> None:
    """Reaches a broker and our three topics.

    Raises: BadSettings; FatalError when no broker answers; TopicMissing.
    """
    fields = {
        settings.input_topic: "INPUT_TOPIC",
        settings.verdict_topic: "VERDICT_TOPIC",
        settings.dead_letter_topic: "DEAD_LETTER_TOPIC",
    }
    try:
        with admin_client(settings) as admin:
            answers = {topic["name"]: topic["error_code"] for topic in admin.describe_topics(list(fields))}
    except kafka_errors.KafkaError as error:
        raise unreachable(settings, error) from error
    for topic, field in fields.items():
        if answers[topic] == kafka_errors.TopicAuthorizationFailedError.errno:
            raise FatalError(f"topic {topic} may not be read by us: give this user the right to describe it")
        if answers[topic] == kafka_errors.UnknownTopicOrPartitionError.errno:
            raise TopicMissing(
                f"topic {topic} does not exist at {settings.bootstrap_servers}: "
                f"create it, or name another one in ZOOMIN_KAFKA__{field}"
            )
        if answers[topic]:
            raise FatalError(f"topic {topic} is not usable: {kafka_errors.for_code(answers[topic]).__name__}")


def message_limits(settings: KafkaSettings, topics: Iterable[str]) -> dict[str, int]:
    """`max.message.bytes` of each topic; the broker's default where we may not ask.

    Raises: KafkaError when no broker answers.
    """
    names = list(topics)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, ["max.message.bytes"]) for name in names]
    with admin_client(settings) as admin:
        try:
            described = admin.describe_configs(resources, config_filter="all")["topic"]
        except kafka_errors.AuthorizationError:
            described = {}
    configs = {name: described.get(name, {}).get("max.message.bytes", {}) for name in names}
    return {name: int(config.get("value") or DEFAULT_MESSAGE_BYTES) for name, config in configs.items()}


def check_headroom(settings: KafkaSettings) -> None:
    """A letter is the record and our headers: its topic must take more than the input topic does.

    Raises: FatalError when it does not, or no broker answers; BadSettings.
    """
    source, letters = settings.input_topic, settings.dead_letter_topic
    try:
        limits = message_limits(settings, (source, letters))
    except kafka_errors.KafkaError as error:
        raise unreachable(settings, error) from error
    needed = limits[source] + LETTER_HEADROOM_BYTES
    if limits[letters] < needed:
        raise FatalError(
            f"topic {letters} takes messages of {limits[letters]} bytes; set its max.message.bytes to {needed}, 64 KiB "
            f"above that of {source}, or the largest records arrive there without their value"
        )


def check_writable(settings: KafkaSettings, topic: str) -> None:
    """Whether some partition has a leader and enough in-sync replicas to acknowledge a record.

    Raises: FatalError when none has; BadSettings; KafkaError.
    """
    name = "min.insync.replicas"
    with admin_client(settings) as admin:
        partitions = admin.describe_topics([topic])[0]["partitions"]
        try:
            resource = ConfigResource(ConfigResourceType.TOPIC, topic, [name])
            configs = admin.describe_configs([resource], config_filter="all")["topic"].get(topic, {})
        except kafka_errors.AuthorizationError:
            configs = {}
    needed = int(configs.get(name, {}).get("value") or 1)
    if not any(part["leader_id"] >= 0 and len(part["isr_nodes"]) >= needed for part in partitions):
        raise FatalError(f"no partition of topic {topic} has a leader and {needed} replicas in sync")


@contextmanager
def admin_client(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """Raises: what `connect` raises."""
    admin = connect(KafkaAdminClient, settings)
    try:
        yield admin
    finally:
        admin.close()


def unreachable(settings: KafkaSettings, error: Exception) -> FatalError:
    return FatalError(
        f"no Kafka broker serves us at {settings.bootstrap_servers} within {BOOTSTRAP_TIMEOUT_S:.0f} s: "
        f"check ZOOMIN_KAFKA__BOOTSTRAP_SERVERS, the network and, where set, the credentials ({error})"
    )


def not_taken(topic: str, error: BaseException) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not take a record for {topic}: {type(error).__name__}: {error}"[:500])


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
