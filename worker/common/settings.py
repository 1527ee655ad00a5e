"""Settings: one frozen object per process, read once in `__main__`; no other file reads the environment.

Every name is ZOOMIN_<SECTION>__<FIELD>; `zoomin check` prints them all, resolved and redacted.
"""

import os
import secrets
import socket
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pipeline.errors import BadSettings
from pipeline.machine import count_cores
from pipeline.vllm.runtime import build_process_environment
from worker.common.sections import (
    CollectSettings,
    EngineSettings,
    FlowSettings,
    KafkaSettings,
    RetrySettings,
    SamplingSettings,
    StoreSettings,
    TelemetrySettings,
)

PREFIX = "ZOOMIN_"
TRAINING_PREFIX = "ZOOMIN_TRAIN_"
SIMILARITY = 0.8
"""of two names, prefix aside, from which on one may be a typing error of the other"""


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")
    kafka: KafkaSettings = KafkaSettings()
    store: StoreSettings = StoreSettings()
    engine: EngineSettings = EngineSettings()
    flow: FlowSettings = FlowSettings()
    retry: RetrySettings = RetrySettings()
    sampling: SamplingSettings = SamplingSettings()
    collect: CollectSettings = CollectSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @model_validator(mode="after")
    def _check_session(self) -> Self:
        if self.kafka.session_timeout_s >= self.kafka.max_poll_interval_s:
            raise ValueError("kafka.session_timeout_s must be below kafka.max_poll_interval_s")
        return self


def load_settings() -> Settings:
    """Read the settings from the environment. Raises: BadSettings with every bad name and field in one message."""
    problems = [_describe_unknown(name) for name in _list_unknown_names(os.environ)]
    settings = None
    try:
        settings = Settings()
    except ValidationError as error:
        problems += [_describe_problem(e) for e in error.errors() if e["type"] != "extra_forbidden"]
    except SettingsError as error:  # a section's own name has a value that is not JSON
        problems += [_describe_section(s) for s in Settings.model_fields if _build_section_name(s) in os.environ]
        problems = problems or [str(error)]
    if problems or settings is None:
        raise BadSettings("; ".join(problems))
    return settings


def list_stray_names() -> list[str]:
    """List ZOOMIN_* names that are no settings and hold no `__`: Kubernetes injects such for a Service of our name."""
    strays = (n for n in os.environ if n.startswith(PREFIX) and "__" not in n and not n.startswith(TRAINING_PREFIX))
    return sorted(set(strays) - {_build_section_name(section) for section in Settings.model_fields})


def suggest_name(name: str) -> str | None:
    """Return the setting that was probably meant by a name that is none."""
    fields = [known.removeprefix(PREFIX) for known in sorted(_list_names())]
    matches = get_close_matches(name.removeprefix(PREFIX), fields, n=1, cutoff=SIMILARITY)
    return PREFIX + matches[0] if matches else None


def build_environment_name(section: str, field: str) -> str:
    return f"{_build_section_name(section)}__{field}".upper()


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
    os.environ.update(build_process_environment(max(1, count_cores() // 2), os.environ))


def _build_section_name(section: str) -> str:
    return f"{PREFIX}{section}".upper()


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


def _describe_problem(problem: ErrorDetails) -> str:
    location, text = problem["loc"], problem["msg"].removeprefix("Value error, ")
    if len(location) == 1 and problem["type"] == "model_type":
        return _describe_section(str(location[0]))
    if len(location) < 2:
        return text
    return f"{build_environment_name(str(location[0]), str(location[1]))}: {text}"


def _describe_section(section: str) -> str:
    example = build_environment_name(section, _list_fields(Settings.model_fields[section].annotation)[0])
    return f"{_build_section_name(section)} is a section and takes no value; set a field of it, for example {example}"
