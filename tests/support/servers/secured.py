"""Kafka and S3 with TLS, as in production: a private authority, passwords and client certificates.

Each also has a plain port, by which the test itself reads and writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from uuid import uuid4

from kafka.admin import ACL, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType

from tests.support.servers.certificates import HOST, Authority, Certificate
from tests.support.servers.services import KafkaForTests, S3ForTests
from worker.local.kafka import KafkaBroker
from worker.local.s3 import SeaweedFs
from worker.local.stack import CACHE

USER = "zoomin-worker"
MECHANISM = "SCRAM-SHA-512"
_HTTPS = "s3.port.https"


class SecuredKafka:
    """Kafka with two listeners: one requires a client certificate, the other a user and a password."""

    def __init__(self, directory: Path, *, authority: Authority) -> None:
        self._authority = authority
        self.password = f"sasl/{uuid4().hex}+"
        self._server = authority.issue("broker")
        self._broker = KafkaBroker(directory, cache=CACHE, notify=print, extra_ports=("ssl", "sasl"), remove=directory)
        self.kafka = KafkaForTests(self._broker)

    def start(self) -> Self:
        user = f"{MECHANISM}=[name={USER},password={self.password}]"
        self._broker.launch(self._build_properties(), format_options=("--standalone", "--add-scram", user))
        self._broker.wait_until_ready()
        return self

    def stop(self) -> None:
        self._broker.stop()

    def build_password_settings(self, password: str | None = None) -> dict[str, str]:
        """Build the settings of a worker that authenticates by user and password."""
        return {
            "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": self._format_address("sasl"),
            "ZOOMIN_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "ZOOMIN_KAFKA__SASL_MECHANISM": MECHANISM,
            "ZOOMIN_KAFKA__SASL_USERNAME": USER,
            "ZOOMIN_KAFKA__SASL_PASSWORD": password or self.password,
            "ZOOMIN_KAFKA__SSL_CAFILE": str(self._authority.file),
        }

    def build_token_fields(self) -> dict[str, object]:
        """Build the fields of a client that logs in by a token at this broker, without those of the login."""
        return {
            "bootstrap_servers": self._format_address("sasl"),
            "security_protocol": "SASL_SSL",
            "ssl_cafile": self._authority.file,
        }

    def build_certificate_settings(self, client: Certificate) -> dict[str, str]:
        """Build the settings of a worker that authenticates by a client certificate."""
        return {
            "ZOOMIN_KAFKA__BOOTSTRAP_SERVERS": self._format_address("ssl"),
            "ZOOMIN_KAFKA__SECURITY_PROTOCOL": "SSL",
            "ZOOMIN_KAFKA__SSL_CAFILE": str(self._authority.file),
            "ZOOMIN_KAFKA__SSL_CERTFILE": str(client.certificate),
            "ZOOMIN_KAFKA__SSL_KEYFILE": str(client.key),
        }

    @contextmanager
    def deny(self, operation: str, name: str, kind: ResourceType = ResourceType.TOPIC) -> Iterator[None]:
        """Deny the user who logs in by password this operation, from within to the end of the block."""
        resource = ResourcePattern(kind, name)
        rules = [
            ACL(f"User:{USER}", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, resource),
            ACL(f"User:{USER}", "*", ACLOperation[operation], ACLPermissionType.DENY, resource),
        ]
        admin = KafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        try:
            admin.create_acls(rules)
            yield
            admin.delete_acls(rules)
        finally:
            admin.close()

    def _format_address(self, listener: str) -> str:
        return f"{HOST}:{self._broker.server.ports[listener]}"

    def _build_properties(self) -> dict[str, object]:
        ports = self._broker.server.ports
        plain = f"PLAINTEXT://{HOST}:{ports['client']},CONTROLLER://{HOST}:{ports['controller']}"
        listeners = f"{plain},SSL://{self._format_address('ssl')},SASL_SSL://{self._format_address('sasl')}"
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        token = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"
        return {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": protocols,
            "sasl.enabled.mechanisms": f"{MECHANISM},OAUTHBEARER",
            f"listener.name.sasl_ssl.{MECHANISM.lower()}.sasl.jaas.config": scram,
            # The broker takes tokens without a signature, and after this time asks for a new one.
            "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config": token,
            "listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms": 3_600_000,
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._server.both,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.file,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS",  # on the plain ports: the tests themselves, broker and controller
        }


class SecuredS3:
    """SeaweedFS with HTTPS."""

    def __init__(self, directory: Path, *, authority: Authority) -> None:
        self._server = authority.issue("s3")
        self._weed = SeaweedFs(directory, extra_ports=(_HTTPS,), remove=directory)
        self.url = f"https://{HOST}:{self._weed.server.ports[_HTTPS]}"
        self.s3 = S3ForTests(
            self._weed.endpoint_url, access_key=self._weed.access_key, secret_key=self._weed.secret_key
        )

    def start(self) -> Self:
        self._weed.launch(f"-s3.cert.file={self._server.certificate}", f"-s3.key.file={self._server.key}")
        self._weed.wait_until_ready()
        return self

    def stop(self) -> None:
        self.s3.client.close()
        self._weed.stop()
