"""What all our Kafka clients share: how they connect, and what they ask of the cluster before they work."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from pipeline.errors import BadSettings, BrokerUnavailable, FatalError, TopicMissing
from worker.common.settings import KafkaSettings
from worker.kafka.workarounds import close_every_socket, hear_last_words

Client = TypeVar("Client")

BOOTSTRAP_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 10.0
LETTER_HEADROOM_BYTES = 64 * 1024
DEFAULT_MESSAGE_BYTES = 1_048_588
"""the broker's own default of max.message.bytes"""

# From what OpenSSL says to what a person can do.
_TLS_CURES = {
    "mismatch, certificate is not valid for": "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS must name it as its certificate does",
    "CERTIFICATE_VERIFY_FAILED": "name the file of the CA that signed its certificate in ZOOMIN_KAFKA__SSL_CAFILE",
    "CERTIFICATE_REQUIRED": "it asks for a certificate: set ZOOMIN_KAFKA__SSL_CERTFILE and ZOOMIN_KAFKA__SSL_KEYFILE",
    "UNKNOWN_CA": "it does not know the CA that signed our ZOOMIN_KAFKA__SSL_CERTFILE",
    "CERTIFICATE_UNKNOWN": "it does not trust our ZOOMIN_KAFKA__SSL_CERTFILE",
    "WRONG_VERSION_NUMBER": "it does not speak TLS there; check the port and ZOOMIN_KAFKA__SECURITY_PROTOCOL",
}


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

    Raises: BadSettings for addresses and files that no client can start with; KafkaError when no broker serves us,
        its cause being why the last one did not.
    """
    _check_files(settings)
    hear_last_words()
    close_every_socket()
    connections: list[_Connections] = []
    with ExitStack() as opened:

        def network(**configs: object) -> KafkaNetClient:
            selector = NetworkSelector(**configs)
            opened.callback(selector.close)
            connections.append(_Connections(selector, **configs))
            client = KafkaNetClient(net=selector, manager=connections[-1])
            opened.callback(client.close)
            return client

        try:
            client = make(**connection(settings) | options, kafka_client=network)
        except (ValueError, OSError) as error:
            raise BadSettings(f"the ZOOMIN_KAFKA__* settings are no usable connection: {error}") from error
        except kafka_errors.KafkaError as error:
            if connections:
                raise error from connections[-1].refusal
            raise
        opened.pop_all()
        return client


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # the client has no types
    """Remembers why a connection could not be used: after all its tries the client only says that it gave up.

    A refusal that says what to do stays: a broker that hangs up is not always heard to the end.
    """

    refusal: BaseException | None = None

    def get_connection(self, *where: object, **options: object) -> Future:
        connection = super().get_connection(*where, **options)
        if not self.bootstrapped:
            connection.init_future.add_errback(self._refused)
        return connection

    def _refused(self, error: BaseException) -> None:
        if self.refusal is None or _cure(self.refusal) is None:
            self.refusal = error


def _check_files(settings: KafkaSettings) -> None:
    """The client would try unreadable certificates until its time is up, and ask the terminal for a key's password.

    Raises: BadSettings.
    """
    ca, certificate, key = settings.ssl_cafile, settings.ssl_certfile, settings.ssl_keyfile
    for field, path in (("CAFILE", ca), ("CERTFILE", certificate), ("KEYFILE", key)):
        if path is not None and not path.is_file():
            raise BadSettings(f"ZOOMIN_KAFKA__SSL_{field}: there is no file {path}")
    if key is not None and certificate is None:
        raise BadSettings("ZOOMIN_KAFKA__SSL_KEYFILE is of no use without ZOOMIN_KAFKA__SSL_CERTFILE")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca is not None:
            context.load_verify_locations(ca)
    except OSError as error:
        raise BadSettings(f"ZOOMIN_KAFKA__SSL_CAFILE: {ca} holds no certificates in PEM that we can read") from error
    try:
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=lambda: "")
    except OSError as error:
        raise BadSettings(
            "ZOOMIN_KAFKA__SSL_CERTFILE and ZOOMIN_KAFKA__SSL_KEYFILE: a certificate and its own key are expected, in "
            "PEM and without a password"
        ) from error


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
    """`error` is what `connect` raised."""
    where, reason = settings.bootstrap_servers, error.__cause__ or error
    cure = _cure(reason)
    if cure is not None:
        return FatalError(f"Kafka at {where} and we cannot agree: {cure} ({reason})")
    return FatalError(
        f"no Kafka broker serves us at {where} within {BOOTSTRAP_TIMEOUT_S:.0f} s: check the network, "
        f"ZOOMIN_KAFKA__BOOTSTRAP_SERVERS, ZOOMIN_KAFKA__SECURITY_PROTOCOL and, where set, the credentials ({reason})"
    )


def _cure(refusal: BaseException) -> str | None:
    """What a person can do about it, as far as that is known."""
    if isinstance(refusal, kafka_errors.SaslAuthenticationFailedError):
        return "it refuses our user, check ZOOMIN_KAFKA__SASL_USERNAME and ZOOMIN_KAFKA__SASL_PASSWORD"
    if isinstance(refusal, kafka_errors.UnsupportedSaslMechanismError):
        return "it does not offer our ZOOMIN_KAFKA__SASL_MECHANISM"
    return next((cure for symptom, cure in _TLS_CURES.items() if symptom in str(refusal)), None)


def not_taken(topic: str, error: BaseException) -> BrokerUnavailable:
    return BrokerUnavailable(f"Kafka did not take a record for {topic}: {type(error).__name__}: {error}"[:500])


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
