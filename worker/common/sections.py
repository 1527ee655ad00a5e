"""Sections of the settings: each field with its default, its bounds, and its meaning below it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress, parse_model_source

Seconds = Annotated[float, Field(gt=0, le=24 * 3600)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[frozenset[str], NoDecode]
LOGIN_FIELDS: Mapping[str, tuple[str, ...]] = {
    "PLAIN": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-256": ("sasl_username", "sasl_password"),
    "SCRAM-SHA-512": ("sasl_username", "sasl_password"),
    "OAUTHBEARER": ("sasl_oauth_token_url", "sasl_oauth_client_id", "sasl_oauth_client_secret"),
    "AWS_MSK_IAM": (),
    "GSSAPI": (),
}
"""the fields that each mechanism of SASL needs"""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class KafkaSettings(Section):
    bootstrap_servers: str = "127.0.0.1:9092"
    """host:port of one or more brokers, comma-separated"""
    group_id: str = "zoomin"
    """consumer group; also the prefix of transactional ids"""
    group_instance_id: Annotated[str, Field(pattern="^[a-zA-Z0-9._-]{1,249}$")] | None = None
    """a name that this worker keeps over restarts, different for each: within session_timeout_s its partitions wait"""
    input_topic: str = "zoomin.images"
    """image events in"""
    verdict_topic: str = "zoomin.verdicts"
    """verdicts out"""
    dead_letter_topic: str = "zoomin.images.dlt"
    """records that cannot be judged, byte for byte; takes messages 64 KiB larger than the input topic"""
    review_topic: str = "zoomin.reviews"
    """reviews of the platform in, read by `zoomin collect`"""
    review_dead_letter_topic: str = "zoomin.reviews.dlt"
    """reviews and deletions that `zoomin collect` cannot follow, byte for byte"""
    deletion_topic: str = "zoomin.deletions"
    """requests to forget images in, read by `zoomin collect`"""
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """what a crash may do to a verdict: repeat it with the same verdict_id; or nothing, for read_committed readers"""
    transactional_id: str | None = None
    """one per process slot, for exactly_once; unset: group id and a random part"""
    commit_interval_s: Seconds = 1.0
    """between two commits; with exactly_once, between two transactions: verdicts become visible that much later"""
    session_timeout_s: Annotated[float, Field(ge=1, le=1800)] = 10.0
    """a silent worker loses its partitions after this long; with group_instance_id, longer than a restart takes"""
    max_poll_interval_s: Annotated[float, Field(ge=5, le=3600)] = 300.0
    """a worker that does not poll loses its partitions after this long"""
    max_batch_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 40)] = 128 * 1024 * 1024
    """a compressed batch of records that unpacks to more stops the worker; unpacked, it takes twice its size"""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """SSL: TLS; SASL_*: with a login"""
    sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM", "GSSAPI"] | None
    ) = None
    """with SASL_*; AWS_MSK_IAM logs in by the credentials of AWS_*, GSSAPI by the Kerberos ticket of the process"""
    sasl_username: str | None = None
    """for PLAIN and SCRAM"""
    sasl_password: SecretStr | None = None
    """for PLAIN and SCRAM"""
    sasl_oauth_token_url: str | None = None
    """for OAUTHBEARER: where tokens are fetched by client credentials"""
    sasl_oauth_client_id: str | None = None
    """for OAUTHBEARER"""
    sasl_oauth_client_secret: SecretStr | None = None
    """for OAUTHBEARER"""
    sasl_oauth_scope: str | None = None
    """for OAUTHBEARER, if the token endpoint asks for it"""
    sasl_kerberos_service_name: str = "kafka"
    """for GSSAPI: first part of the brokers' principal"""
    sasl_kerberos_domain_name: str | None = None
    """for GSSAPI: second part of the brokers' principal; unset: the host of each"""
    ssl_cafile: Path | None = None
    """PEM file of a private CA; unset: the CAs of the system"""
    ssl_certfile: Path | None = None
    """PEM file of the client certificate, if the broker asks for one"""
    ssl_keyfile: Path | None = None
    """PEM file of its key, without a password"""

    @model_validator(mode="after")
    def _check_sasl(self) -> Self:
        if not self.security_protocol.startswith("SASL"):
            return self
        if self.sasl_mechanism is None:
            raise ValueError("security_protocol SASL_* needs sasl_mechanism")
        missing = [field for field in LOGIN_FIELDS[self.sasl_mechanism] if not getattr(self, field)]
        if missing:
            raise ValueError(f"sasl_mechanism {self.sasl_mechanism} needs {', '.join(missing)}")
        if self.sasl_mechanism == "AWS_MSK_IAM" and self.security_protocol != "SASL_SSL":
            raise ValueError("sasl_mechanism AWS_MSK_IAM needs security_protocol SASL_SSL")
        return self

    @field_validator("sasl_oauth_token_url")
    @classmethod
    def _check_token_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address like https://login.example.com/oauth2/token")
        if "@" in parts.netloc:
            raise ValueError("credentials come by sasl_oauth_client_id and _secret, not in the address")
        return value


class StoreSettings(Section):
    endpoint_url: str | None = None
    """of an S3 that is not AWS; unset: AWS itself"""
    region: str = "us-east-1"
    """region of the S3"""
    buckets: Names = frozenset()
    """allow-list, comma-separated: an event that names another bucket is dead-lettered without a request"""
    max_image_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 32 * 1024 * 1024
    """a larger object is dead-lettered as image_too_large"""
    max_image_pixels: Annotated[int, Field(ge=4096, le=1_000_000_000)] = (
        51_000_000  # the 50-megapixel sensors of phones have up to 8,192 x 6,144
    )
    """a larger image is dead-lettered as image_too_large"""
    total_timeout_s: Seconds = 30.0
    """deadline of one fetch, first byte to last"""

    @field_validator("buckets", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return _split_commas(value)

    @field_validator("region")
    @classmethod
    def _check_region(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", value):
            raise ValueError("is no name of a region: letters, digits and hyphens, such as eu-west-1")
        return value

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value and not urlsplit(value).hostname:
            raise ValueError("names no host: http://HOST:PORT or https://HOST")
        if value and "@" in value:
            raise ValueError("credentials come by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not in the address")
        return value.rstrip("/") if value else None


class EngineSettings(Section):
    model: Annotated[Path | ModelAddress, PlainSerializer(str)] = Path("models/zoomin-tiny")
    """directory of a Qwen2.5-VL checkpoint; or s3://bucket/models/NAME, the champion of a registry, or one revision of
    it, s3://bucket/models/NAME/revisions/sha256-..., on the S3 of ZOOMIN_STORE__ENDPOINT_URL"""
    cache: Path = Path("~/.cache/zoomin/models")
    """directory for revisions from a registry; several workers of a machine may share it"""
    cache_max_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 50)] = 100 * (1 << 30)
    """revisions that no worker uses are deleted, the longest unused first, while the cache holds more; two of the
    largest model must fit"""
    follow_s: Annotated[float, Field(ge=0, le=24 * 3600)] = 0.0
    """how often to look whether the registry has another champion, and to serve that one; 0: never"""
    follow_spread_s: Annotated[float, Field(ge=0, le=24 * 3600)] = 60.0
    """a worker waits a random time up to this before it takes a new champion over, so that a pool does not pause as
    one"""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: float32 on a CPU; on a GPU bfloat16, or float32 for a checkpoint that was published in it"""
    max_model_len: Annotated[int, Field(ge=512, le=131_072)] = 4096
    """tokens of prompt and answer together"""
    max_num_seqs: Annotated[int, Field(ge=1, le=4096)] = 32
    """queries that the engine works on at once"""
    processor_cache_mib: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    """preprocessed images that wait for their second query; unset: view and crops of all events in flight, at most an
    eighth of the memory"""
    fronts: Annotated[int, Field(ge=1, le=16)] | None = None
    """processes that feed the engine, each up to 25 images/s of a 7B model; unset: one for every four cores, at most
    four; without a GPU one"""
    tensor_parallel_size: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that one model is spread over"""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """share of the memory of each GPU that the engine takes"""
    start_timeout_s: Seconds = 1800.0
    """deadline of each start and restart of the engine; the weights of a large model load for minutes"""
    query_timeout_s: Seconds = 120.0
    """deadline of one query"""
    restarts: Annotated[int, Field(ge=0, le=100)] = 3
    """restarts of a dead engine within an hour before the worker gives up; below 2, poison cannot be told apart, and
    one that acts in the middle of its answer costs 3"""

    @field_validator("model", mode="plain", json_schema_input_type=str)
    @classmethod
    def _parse_model(cls, value: object) -> Path | ModelAddress:
        if isinstance(value, Path | ModelAddress):
            return value
        try:
            return parse_model_source(str(value))
        except BadSettings as error:
            raise ValueError(error.detail) from error

    @field_validator("follow_s")
    @classmethod
    def _check_follow(cls, follow_s: float, info: ValidationInfo) -> float:
        model = info.data.get("model")
        if follow_s and model is not None and not (isinstance(model, ModelAddress) and model.revision is None):
            raise ValueError(f"the model is {model}, which never changes: set 0, or name s3://bucket/models/NAME")
        return follow_s


class FlowSettings(Section):
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 48
    """events worked on at once; 1.5 times max_num_seqs keeps the engine full"""
    max_bytes_in_flight: Annotated[int, Field(ge=1 << 20)] | None = None
    """fetched files held at once, each until its event is answered; unset: an eighth of the memory"""
    max_pixels_in_flight: Annotated[int, Field(ge=1_000_000)] | None = None
    """pixels of views, crops, and images that are kept until they are cropped, 4 bytes each; other images are decoded
    again; unset: an eighth of the memory, or what views and crops need"""
    decoders: Annotated[int, Field(ge=1, le=256)] | None = None
    """processes that decode images; unset: one for each core that the worker may use, at most 16"""
    max_span: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """records of a partition from the last commit to the newest read: what a crash repeats at most"""
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """of the events that are judged, drawn by event id; the others are closed unanswered: below 1 only in a shadow pool
    with a group, a verdict topic and a dead-letter topic of its own"""
    drain_timeout_s: Seconds = 30.0
    """from SIGTERM to exit"""


class RetrySettings(Section):
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """tries of a step that had bad luck"""
    patience_s: Seconds = 60.0
    """how long an event may be refused while others are served"""
    max_wait_s: Seconds = 15.0
    """longest pause between two tries"""


class SamplingSettings(Section):
    bucket: str = ""
    """labeling bucket; empty: off"""
    low_confidence_below: Fraction = 0.75
    """confidence below which a verdict counts as low_confidence"""
    corrected_fraction: Fraction = 1.0
    """of verdicts that Query 2 corrected, and of those without a region"""
    low_confidence_fraction: Fraction = 1.0
    """of verdicts that are low_confidence or uncertain"""
    control_fraction: Fraction = 0.01
    """of all verdicts, so that the labeled set can be weighted back to the stream"""
    daily_quota: Annotated[int, Field(ge=0, le=10_000_000)] = 500
    """about what one annotator labels in a day: most cases of one source and reason that a worker draws between two
    midnights (UTC), except control; fractions fall before it is reached; 0: no limit"""
    blind_fraction: Fraction = 0.2
    """of the cases, shown to reviewers without pre-annotation"""
    salt: SecretStr = SecretStr("zoomin")
    """key of the sampling hash: keeps senders from choosing what is sampled"""


class CollectSettings(Section):
    group_id: str | None = None
    """consumer group of `zoomin collect` for reviews, with `-deletions` behind it for deletions; unset: that of the
    worker with `-collect` behind it"""
    lookback_days: Annotated[float, Field(gt=0, le=3650)] = 14.0
    """verdicts of this age and younger are found for reviews, as far as the verdict topic still holds them"""
    max_verdicts: Annotated[int, Field(ge=1000, le=1_000_000_000)] = 10_000_000
    """most verdicts that are found, the newest; each takes about 300 bytes in the folder for temporary files"""


class TelemetrySettings(Section):
    http_host: str = "127.0.0.1"
    """address of /livez, /readyz and /metrics"""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """0: any free port, printed in the log"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least severe log lines that are written"""
    log_format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON elsewhere"""
    debuggable: bool = False
    """let other processes of the worker's user trace it (py-spy, gdb), read its environment, and write core dumps"""


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return frozenset(part.strip() for part in value.split(",") if part.strip())
    return value
