"""Build the page of the error codes from the tree of errors."""

import inspect
from collections.abc import Iterator

from pipeline import errors
from tests.support.reference.markdown import NOTE, join, table, wrap
from training import errors as training_errors
from worker.breaker import OUR_FAULT

KINDS = (
    (errors.TransientError, "transient", "Such an error is retried a few times, then dead-lettered with its code."),
    (
        errors.OutageError,
        "outage",
        "The worker waits. The event is dead-lettered only if the dependency serves other events meanwhile.",
    ),
    (errors.PoisonError, "poison", "The event is dead-lettered at once."),
    (errors.FatalError, "fatal", "The process ends with exit code 1 (`bad_settings`: 2)."),
)


def build_error_codes_page() -> str:
    parts = [
        "# Error codes\n",
        NOTE,
        wrap(
            "An error's code is its class name in snake case. Dead letters carry it in the header `zoomin-dlt-code`, "
            "`zoomin_dead_letters_total` counts by it. [The runbook](../runbook.md) says what to do about each."
        ),
    ]
    for kind, name, consequence in KINDS:
        rows = (
            (f"`{error('').code}`", inspect.getdoc(error), "training" if is_training else "worker")
            for error, is_training in list_errors(kind)
        )
        parts += [f"## {name}\n", f"{consequence}\n", table(("code", "meaning", "raised by"), rows)]
    ours = ", ".join(f"`{code}`" for code in sorted(OUR_FAULT))
    parts += [
        wrap(
            "When most of the recent events end in one of these codes, which may be our own fault, the worker stops "
            f"with `dead_letter_flood`: {ours}."
        )
    ]
    return join(parts)


def list_errors(kind: type[errors.ZoomInError]) -> Iterator[tuple[type[errors.ZoomInError], bool]]:
    """Yield each error below `kind` and whether it belongs to training; one that has another's code is left out."""
    for module in (errors, training_errors):
        for error in vars(module).values():
            is_error = isinstance(error, type) and issubclass(error, kind) and error.__module__ == module.__name__
            if is_error and error not in (kind, errors.PersistentRefusal):
                yield error, module is training_errors
