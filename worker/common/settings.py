"""Settings: one frozen object per process, read once in `__main__`; no other file reads the environment.

Every name is ZOOMIN_<SECTION>__<FIELD>; `zoomin check` prints them all, resolved and redacted.
"""

import os
import secrets
import socket
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.errors import BadSettings
from pipeline.vllm.runtime import build_process_environment

PREFIX = "ZOOMIN_"
TRAINING_PREFIX = "ZOOMIN_TRAIN_"
Seconds = Annotated[float, Field(gt=0, le=24 * 3600)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[frozenset[str], NoDecode]
SIMILARITY = 0.8
"""of two names, prefix aside, from which on one may be a typing error of the other"""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class KafkaSettings(Section):
    bootstrap_servers: str = "127.0.0.1:9092"
    """host:port of one or more brokers, comma-separated"""
    group_id: str = "zoomin"
    """consumer group; also the prefix of transactional ids"""
    input_topic: str = "zoomin.images"
    """image events in"""
    verdict_topic: str = "zoomin.verdicts"
    """verdicts out"""
    dead_letter_topic: str = "zoomin.images.dlt"
    """records that cannot be judged, byte for byte; takes messages 64 KiB larger than the input topic"""
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    """what a crash may do to a verdict: repeat it with the same verdict_id; or nothing, for read_committed readers"""
    transactional_id: str | None = None
    """one per process slot, for exactly_once; unset: group id and a random part"""
    commit_interval_s: Seconds = 1.0
    """between two commits; with exactly_once, between two transactions: verdicts become visible that much later"""
    session_timeout_s: Annotated[float, Field(ge=1, le=300)] = 10.0
    """a silent worker loses its partitions after this long"""
    max_poll_interval_s: Annotated[float, Field(ge=5, le=3600)] = 300.0
    """a worker that does not poll loses its partitions after this long"""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """SSL: TLS; SASL_*: with user and password"""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """with SASL_*"""
    sasl_username: str | None = None
    """with SASL_*"""
    sasl_password: SecretStr | None = None
    """with SASL_*"""
    ssl_cafile: Path | None = None
    """PEM file of a private CA; unset: the CAs of the system"""
    ssl_certfile: Path | None = None
    """PEM file of the client certificate, if the broker asks for one"""
    ssl_keyfile: Path | None = None
    """PEM file of its key, without a password"""

    @model_validator(mode="after")
    def _check_sasl(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and self.sasl_password
        ):
            raise ValueError("security_protocol SASL_* needs sasl_mechanism, sasl_username and sasl_password")
        return self


class StoreSettings(Section):
    endpoint_url: str | None = None
    """of an S3 that is not AWS; unset: AWS itself"""
    region: str = "us-east-1"
    """region of the S3"""
    buckets: Names = frozenset()
    """allow-list, comma-separated: an event that names another bucket is dead-lettered without a request"""
    max_image_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 32 * 1024 * 1024
    """a larger object is dead-lettered as image_too_large"""
    max_image_pixels: Annotated[int, Field(ge=4096, le=1_000_000_000)] = 50_000_000
    """a larger image is dead-lettered as image_too_large"""
    total_timeout_s: Seconds = 30.0
    """deadline of one fetch, first byte to last"""

    @field_validator("buckets", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return _split_commas(value)

    @field_validator("endpoint_url")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value and "@" in value:
            raise ValueError("credentials come by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not in the address")
        return value.rstrip("/") if value else None


class EngineSettings(Section):
    model: Path = Path("models/zoomin-tiny")
    """directory of a Qwen2.5-VL checkpoint"""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU, float32 on a CPU"""
    max_model_len: Annotated[int, Field(ge=512, le=131_072)] = 4096
    """tokens of prompt and answer together"""
    max_num_seqs: Annotated[int, Field(ge=1, le=4096)] = 32
    """queries that the engine works on at once"""
    tensor_parallel_size: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs that one model is spread over"""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """share of the memory of each GPU that the engine takes"""
    query_timeout_s: Seconds = 120.0
    """deadline of one query"""
    restarts: Annotated[int, Field(ge=0, le=100)] = 3
    """restarts of a dead engine within an hour before the worker gives up; below 2, poison cannot be told apart"""


class FlowSettings(Section):
    max_in_flight: Annotated[int, Field(ge=1, le=4096)] = 48
    """events worked on at once; 1.5 times max_num_seqs keeps the engine full"""
    max_pixels_in_flight: Annotated[int, Field(ge=1_000_000)] = 200_000_000
    """decoded pixels held at once, 3 bytes each"""
    max_span: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """from the last commit to the newest read offset of a partition: what a crash repeats at most"""
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
    blind_fraction: Fraction = 0.2
    """of the cases, shown to reviewers without pre-annotation"""
    salt: SecretStr = SecretStr("zoomin")
    """key of the sampling hash: keeps senders from choosing what is sampled"""


class TelemetrySettings(Section):
    http_host: str = "127.0.0.1"
    """address of /livez, /readyz and /metrics"""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """0: any free port, printed in the log"""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """least severe log lines that are written"""
    log_format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, JSON elsewhere"""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    engine: EngineSettings = EngineSettings()
    flow: FlowSettings = FlowSettings()
    retry: RetrySettings = RetrySettings()
    sampling: SamplingSettings = SamplingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @model_validator(mode="after")
    def _check_session(self) -> Self:
        if self.kafka.session_timeout_s >= self.kafka.max_poll_interval_s:
            raise ValueError("kafka.session_timeout_s must be below kafka.max_poll_interval_s")
        return self


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises: BadSettings with every bad name and field in one message.
    """
    problems = [_describe_unknown(name) for name in _list_unknown_names(os.environ)]
    settings = None
    try:
        settings = Settings()
    except ValidationError as error:
        problems += [_describe_problem(e["loc"], e["msg"]) for e in error.errors() if e["type"] != "extra_forbidden"]
    if problems or settings is None:
        raise BadSettings("; ".join(problems))
    return settings


def list_stray_names() -> list[str]:
    """List ZOOMIN_* names that are no settings and hold no `__`: Kubernetes injects such for a Service of our name."""
    return sorted(n for n in os.environ if n.startswith(PREFIX) and "__" not in n and not n.startswith(TRAINING_PREFIX))


def suggest_name(name: str) -> str | None:
    """Return the setting that was probably meant by a name that is none."""
    fields = [known.removeprefix(PREFIX) for known in sorted(_list_names())]
    matches = get_close_matches(name.removeprefix(PREFIX), fields, n=1, cutoff=SIMILARITY)
    return PREFIX + matches[0] if matches else None


def build_environment_name(section: str, field: str) -> str:
    return f"{PREFIX}{section}__{field}".upper()


def is_broker_named() -> bool:
    """Return True if the user named a Kafka of their own."""
    return build_environment_name("kafka", "bootstrap_servers") in os.environ


def build_worker_name() -> str:
    """Name this process among its pool: the pod's name, the process id, and a random part for containers."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def copy_environment() -> dict[str, str]:
    """Copy the environment for child processes that we start."""
    return dict(os.environ)


def is_tracing_enabled() -> bool:
    """Return True if OpenTelemetry's own variables name an endpoint; without one nothing is exported."""
    return any(n in os.environ for n in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))


def override_settings(environment: Mapping[str, str], *, without: Iterable[str] = ()) -> Settings:
    """Set these variables, and unset those `without`, for us and for the processes we start; return the settings.

    Raises: BadSettings.
    """
    for name in without:
        os.environ.pop(name, None)
    os.environ.update(environment)
    return load_settings()


def apply_process_environment() -> None:
    """Reserve half the cores for the engine: brokers, decoders and our own loop share the rest."""
    for name, value in build_process_environment(max(1, (os.cpu_count() or 2) // 2)).items():
        os.environ.setdefault(name, value)


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return frozenset(part.strip() for part in value.split(",") if part.strip())
    return value


def _list_names() -> set[str]:
    return {
        build_environment_name(section, field)
        for section, info in Settings.model_fields.items()
        for field in _list_fields(info.annotation)
    }


def _list_unknown_names(environ: Mapping[str, str]) -> list[str]:
    known = _list_names()
    ours = (n for n in environ if n.startswith(PREFIX) and "__" in n and not n.startswith(TRAINING_PREFIX))
    return sorted(name for name in ours if name not in known)


def _list_fields(section: Any) -> list[str]:
    return list(section.model_fields)


def _describe_unknown(name: str) -> str:
    suggestion = suggest_name(name)
    hint = f"did you mean {suggestion}?" if suggestion else "`zoomin check --help` shows how to list them"
    return f"{name} is not a setting; {hint}"


def _describe_problem(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if len(location) < 2:
        return text
    return f"{build_environment_name(str(location[0]), str(location[1]))}: {text}"
