"""Connection of all our Kafka clients, and the checks of the cluster before they work."""

import secrets
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, NamedTuple, TypeVar

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from pipeline.errors import BadSettings, BrokerUnavailable, FatalError, MessageTooLarge, OutageError, TopicMissing
from worker.common.sections import KafkaSettings
from worker.kafka.logins import LOOK_AT, LoginUnavailableError, build_login_options, check_login
from worker.kafka.workarounds import await_unlisted_brokers, close_all_sockets, keep_bytes_before_close

Client = TypeVar("Client")

BOOTSTRAP_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 10.0
LETTER_HEADROOM_BYTES = 64 * 1024
DEFAULT_MESSAGE_BYTES = 1_048_588
"""the broker's own default of max.message.bytes"""

_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)

# From a part of OpenSSL's message to what the user can do.
_TLS_HINTS = {
    "mismatch, certificate is not valid for": "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS must name it as its certificate does",
    "CERTIFICATE_VERIFY_FAILED": "name the file of the CA that signed its certificate in ZOOMIN_KAFKA__SSL_CAFILE",
    "CERTIFICATE_REQUIRED": "it asks for a certificate: set ZOOMIN_KAFKA__SSL_CERTFILE and ZOOMIN_KAFKA__SSL_KEYFILE",
    "UNKNOWN_CA": "it does not know the CA that signed our ZOOMIN_KAFKA__SSL_CERTFILE",
    "CERTIFICATE_UNKNOWN": "it does not trust our ZOOMIN_KAFKA__SSL_CERTFILE",
    "WRONG_VERSION_NUMBER": "it does not speak TLS there; check the port and ZOOMIN_KAFKA__SECURITY_PROTOCOL",
}


def build_client_options(settings: KafkaSettings) -> dict[str, object]:
    """Build the options of every client: addresses, credentials and timeouts."""
    return {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "client_id": "zoomin",
        "bootstrap_timeout_ms": to_ms(BOOTSTRAP_TIMEOUT_S),
        "request_timeout_ms": to_ms(REQUEST_TIMEOUT_S),
        "reconnect_backoff_max_ms": 1000,  # with the default of 30 s an outage outlasts the broker's return
        **build_login_options(settings),
    }


def connect(client_class: Callable[..., Client], settings: KafkaSettings, **options: object) -> Client:
    """Build a connected client of this class; if that fails, release its threads and sockets.

    The client's own constructors do not release them when no broker answers: an outage of an hour would use up the file
    descriptors.

    Raises: BadSettings for addresses and files that no client can start with; KafkaError if no broker accepts us, with
        the last broker's refusal as its cause, or if there is nothing to log in with.
    """
    _check_files(settings)
    check_login(settings)
    keep_bytes_before_close()
    close_all_sockets()
    await_unlisted_brokers()
    connections: list[_RefusalKeepingManager] = []
    with ExitStack() as opened:

        def build_network(**configs: object) -> KafkaNetClient:
            selector = NetworkSelector(**configs)
            opened.callback(selector.close)
            connections.append(_RefusalKeepingManager(selector, **configs))
            client = KafkaNetClient(net=selector, manager=connections[-1])
            opened.callback(client.close)
            return client

        try:
            client = client_class(**build_client_options(settings) | options, kafka_client=build_network)
        except (ValueError, OSError) as error:
            raise BadSettings(f"the ZOOMIN_KAFKA__* settings are no usable connection: {error}") from error
        except kafka_errors.KafkaError as error:
            if connections:
                raise error from connections[-1].refusal
            raise
        opened.pop_all()
        return client


class _RefusalKeepingManager(KafkaConnectionManager):  # type: ignore[misc]  # the client has no types
    """Keeps the reason why a connection could not be used; the client itself only reports that it gave up.

    A refusal with a known hint is not replaced: at a later try the broker may close the connection before its reason
    is read.
    """

    refusal: BaseException | None = None

    def get_connection(self, *address: object, **options: object) -> Future:
        connection = super().get_connection(*address, **options)
        if not self.bootstrapped:
            connection.init_future.add_errback(self._note_refusal)
        return connection

    def _note_refusal(self, error: BaseException) -> None:
        if self.refusal is None or _find_hint(self.refusal) is None:
            self.refusal = error


def _check_files(settings: KafkaSettings) -> None:
    """Check the certificate files.

    The client itself would retry unreadable ones until its timeout, and ask on the terminal for the password of a key.

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


class TopicUse(NamedTuple):
    """A topic, the field of the settings that names it, and the right that we need on it."""

    topic: str
    field: str
    right: Literal["READ", "WRITE"]


def list_worker_topics(settings: KafkaSettings) -> list[TopicUse]:
    return [
        TopicUse(settings.input_topic, "INPUT_TOPIC", "READ"),
        TopicUse(settings.verdict_topic, "VERDICT_TOPIC", "WRITE"),
        TopicUse(settings.dead_letter_topic, "DEAD_LETTER_TOPIC", "WRITE"),
    ]


def check_topics(settings: KafkaSettings, topics: Sequence[TopicUse] = ()) -> None:
    """Check that a broker answers, and that these topics, or else the worker's three, exist for our use of them.

    Raises: BadSettings; FatalError if no broker answers or a right is missing; TopicMissing.
    """
    uses = {use.topic: use for use in topics or list_worker_topics(settings)}
    try:
        with open_admin_client(settings) as admin:
            described = {topic["name"]: topic for topic in admin.describe_topics(list(uses))}
    except kafka_errors.KafkaError as error:
        raise build_connection_error(settings, error) from error
    error_codes = {name: topic["error_code"] for name, topic in described.items()}
    for topic, field, right in uses.values():
        if error_codes[topic] == kafka_errors.TopicAuthorizationFailedError.errno:
            raise FatalError(f"topic {topic} may not be read by us: give this user the right to describe it")
        if error_codes[topic] == kafka_errors.UnknownTopicOrPartitionError.errno:
            raise TopicMissing(
                f"topic {topic} does not exist at {settings.bootstrap_servers}: "
                f"create it, or name another one in ZOOMIN_KAFKA__{field}"
            )
        if error_codes[topic]:
            raise FatalError(f"topic {topic} is not usable: {kafka_errors.for_code(error_codes[topic]).__name__}")
        rights = described[topic].get("authorized_operations")  # none from a broker before Kafka 2.3
        if rights and right not in rights:
            raise FatalError(f"we may not {right} topic {topic}: give this user the right {right} on it")


def check_group(settings: KafkaSettings) -> None:
    """Check that we may join our group and commit its offsets: remove a member that does not exist.

    That needs the same right and disturbs nobody. A group that does not exist yet has no description to read rights in.

    Raises: BadSettings; FatalError if no broker answers or the right is missing.
    """
    group = settings.group_id
    try:
        with open_admin_client(settings) as admin:
            admin.remove_group_members(group, [MemberToRemove(member_id=f"zoomin-check-{secrets.token_hex(8)}")])
    except kafka_errors.GroupAuthorizationFailedError as error:
        raise FatalError(f"we may not join group {group}: give this user the right READ on it") from error
    except kafka_errors.CoordinatorNotAvailableError:
        return  # the first group of a new cluster
    except kafka_errors.KafkaError as error:
        raise build_connection_error(settings, error) from error


def read_message_limits(settings: KafkaSettings, topics: Iterable[str]) -> dict[str, int]:
    """Read `max.message.bytes` of each topic; assume the broker's default if reading it is not authorized.

    Raises: KafkaError if no broker answers.
    """
    names = list(topics)
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, ["max.message.bytes"]) for name in names]
    with open_admin_client(settings) as admin:
        try:
            described = admin.describe_configs(resources, config_filter="all")["topic"]
        except kafka_errors.AuthorizationError:
            described = {}
    configs = {name: described.get(name, {}).get("max.message.bytes", {}) for name in names}
    return {name: int(config.get("value") or DEFAULT_MESSAGE_BYTES) for name, config in configs.items()}


def check_headroom(settings: KafkaSettings) -> None:
    """Check that the dead-letter topic takes larger messages than the input topic: a letter is a record plus headers.

    Raises: FatalError if it does not, or no broker answers; BadSettings.
    """
    source, letters = settings.input_topic, settings.dead_letter_topic
    try:
        limits = read_message_limits(settings, (source, letters))
    except kafka_errors.KafkaError as error:
        raise build_connection_error(settings, error) from error
    needed = limits[source] + LETTER_HEADROOM_BYTES
    if limits[letters] < needed:
        raise FatalError(
            f"topic {letters} takes messages of {limits[letters]} bytes; set its max.message.bytes to {needed}, 64 KiB "
            f"above that of {source}, or the largest records arrive there without their value"
        )


def check_writable(settings: KafkaSettings, topic: str) -> None:
    """Check that some partition has a leader and enough in-sync replicas to acknowledge a record.

    Raises: FatalError if none has; BadSettings; KafkaError.
    """
    name = "min.insync.replicas"
    with open_admin_client(settings) as admin:
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
def open_admin_client(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """Open an admin client for a `with` block. Raises: what `connect` raises."""
    admin = connect(KafkaAdminClient, settings)
    try:
        yield admin
    finally:
        admin.close()


def build_connection_error(settings: KafkaSettings, error: Exception) -> FatalError:
    """Build the error for users from the one that `connect` raised."""
    if isinstance(error, LoginUnavailableError):
        return FatalError(f"we cannot log in to Kafka: {error.args[0]}")
    where, reason = settings.bootstrap_servers, error.__cause__ or error
    hint = _find_hint(reason, settings.sasl_mechanism)
    if hint is not None:
        return FatalError(f"Kafka at {where} and we cannot agree: {hint} ({reason})")
    return FatalError(
        f"no Kafka broker serves us at {where} within {BOOTSTRAP_TIMEOUT_S:.0f} s: check the network, "
        f"ZOOMIN_KAFKA__BOOTSTRAP_SERVERS, ZOOMIN_KAFKA__SECURITY_PROTOCOL and, where set, the credentials ({reason})"
    )


def _find_hint(refusal: BaseException, mechanism: str | None = None) -> str | None:
    """Return what the user can do about the refusal, or None if that is not known."""
    if isinstance(refusal, kafka_errors.SaslAuthenticationFailedError):
        return f"it refuses our user, check {LOOK_AT[mechanism]}"
    if isinstance(refusal, kafka_errors.UnsupportedSaslMechanismError):
        return "it does not offer our ZOOMIN_KAFKA__SASL_MECHANISM"
    return next((hint for symptom, hint in _TLS_HINTS.items() if symptom in str(refusal)), None)


def build_delivery_error(topic: str, error: BaseException) -> OutageError:
    reason = f"{type(error).__name__}: {error}"[:400]
    if isinstance(error, _TOO_LARGE):
        return MessageTooLarge(f"topic {topic} takes no message of this size: raise its max.message.bytes ({reason})")
    if isinstance(error, kafka_errors.AuthorizationError):
        return BrokerUnavailable(f"we may not write to topic {topic}: give this user the right WRITE ({reason})")
    return BrokerUnavailable(f"Kafka did not take a record for {topic}: {reason}")


def to_ms(seconds: float) -> int:
    return round(seconds * 1000)
