"""Rights that are taken away for a while: to write verdicts, and to read the objects of one bucket."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from botocore.exceptions import ClientError
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, KafkaAdminClient, ResourcePattern, ResourceType

from tests.support.servers.services import eventually
from worker.local.kafka import KafkaBroker
from worker.local.s3 import ALL_RIGHTS, SeaweedFs, build_identity, render_identities

BROKER_PROPERTIES = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    "log.message.timestamp.after.max.ms": 2**63 - 1,  # as brokers before 4.0
    "log.retention.ms": -1,  # a record of 1969 is old enough to be deleted
}
"""of a broker on which rights can be taken away, and which takes any timestamp"""
TAKES_EFFECT_S = 30.0


def start_broker(broker: KafkaBroker) -> None:
    broker.launch(BROKER_PROPERTIES)
    broker.wait_until_ready()


@contextmanager
def writing_denied(broker: KafkaBroker, topic: str) -> Iterator[None]:
    """Whoever has no list of rights may do everything; one that names reading alone takes the others away."""
    where = ResourcePattern(ResourceType.TOPIC, topic)
    right = ("User:ANONYMOUS", "*", ACLOperation.READ, ACLPermissionType.ALLOW, where)
    with closing(KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)) as admin:
        admin.create_acls([ACL(*right)])
        yield
        admin.delete_acls([ACLFilter(*right)])


@contextmanager
def reading_denied(s3: SeaweedFs, bucket: str, *, served: Sequence[str]) -> Iterator[None]:
    """Every GET of the bucket is denied, while it can be listed and the other buckets are served."""
    rights = ["List", "Write", *(f"Read:{other}" for other in served)]
    _give(s3, rights, bucket, is_readable=False)
    yield
    _give(s3, ALL_RIGHTS, bucket, is_readable=True)


def _give(s3: SeaweedFs, rights: Sequence[str], bucket: str, *, is_readable: bool) -> None:
    (s3.server.directory / "s3.json").write_text(
        render_identities(build_identity(s3.access_key, s3.secret_key, rights))
    )
    s3.server.process.send(signal.SIGHUP)
    assert eventually(lambda: _is_readable(s3, bucket) is is_readable, within_s=TAKES_EFFECT_S), (
        f"the rights {rights} did not take effect"
    )


def _is_readable(s3: SeaweedFs, bucket: str) -> bool:
    with closing(s3.build_client()) as client:
        try:
            client.get_object(Bucket=bucket, Key="0.png")["Body"].close()
        except ClientError as error:
            return error.response["Error"]["Code"] != "AccessDenied"
    return True
