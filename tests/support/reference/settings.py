"""Build the page of the settings from their pydantic models."""

from collections.abc import Iterator

from pydantic import BaseModel

from tests.support.reference.markdown import NOTE, describe_type, join, table, to_code, wrap
from training import settings as training_settings
from worker.common import settings as worker_settings

# These defaults depend on the machine.
CPU_DEFAULTS = frozenset({"threads", "workers"})
HEAD = ("setting", "type and bounds", "default", "meaning")


def build_settings_page() -> str:
    parts = [
        "# Settings\n",
        NOTE,
        wrap(
            "The worker and its commands read `ZOOMIN_<SECTION>__<FIELD>`, training reads `ZOOMIN_TRAIN_<FIELD>`. "
            "`zoomin check` prints the resolved values. An unknown name or a value outside its bounds ends the start "
            "with exit code 2 and a message that names every bad field. A name without `__` is only a warning, by "
            "`zoomin check` and in the log of `zoomin run`, because Kubernetes injects such names. Credentials for S3 "
            "come by boto3's own chain (`AWS_*`); traces follow the `OTEL_*` names."
        ),
    ]
    for section, field in worker_settings.Settings.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, BaseModel)
        rows = describe_fields(field.annotation, f"{worker_settings.PREFIX}{section}__")
        parts += [f"## {section}\n", table(HEAD, rows)]
    rows = describe_fields(training_settings.TrainSettings, training_settings.PREFIX)
    parts += ["## training\n", table(HEAD, rows)]
    return join(parts)


def describe_fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    schema = model.model_json_schema(mode="validation")
    for name, description in schema["properties"].items():
        default = "the number of CPUs" if name in CPU_DEFAULTS else to_code(description.get("default"))
        if description.get("writeOnly"):
            default = ""  # a secret
        yield f"`{f'{prefix}{name}'.upper()}`", describe_type(description), default, description.get("description", "")
