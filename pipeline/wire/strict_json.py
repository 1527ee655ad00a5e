"""Reads untrusted JSON strictly: text that two parsers could read differently is refused."""

import json
from collections import Counter
from typing import NoReturn

from pipeline.errors import MalformedEvent
from pipeline.wire.urls import redact_text

MAX_FIELDS = 1000
"""of one object; each unknown field becomes an error object, and a megabyte of them would block the event loop"""

JsonObject = dict[str, object]


def read_object(text: str | bytes) -> JsonObject:
    """Parse one JSON object. Raises: MalformedEvent, as `read_document` does, and for a list."""
    document = read_document(text)
    if not isinstance(document, dict):
        raise MalformedEvent("a JSON object is expected, not a list")
    return document


def read_document(text: str | bytes) -> JsonObject | list[object]:
    """Parse one JSON object or list; refuse repeated keys, NaN, lone surrogates and very deep nesting.

    Raises: MalformedEvent.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(decoded, object_pairs_hook=_reject_repeated_fields, parse_constant=_reject_constant)
        if "\\u" in decoded:  # an escaped lone surrogate parses, but cannot be encoded
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise MalformedEvent("JSON nested too deep") from None
    except UnicodeError:
        raise MalformedEvent("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        raise MalformedEvent("a number of too many digits") from None
    if not isinstance(value, dict | list):
        raise MalformedEvent(f"a JSON object is expected, not a {type(value).__name__}")
    return value


def _reject_repeated_fields(pairs: list[tuple[str, object]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise MalformedEvent(f"field {redact_text(repeated)} stands there twice")
    if len(fields) > MAX_FIELDS:
        raise MalformedEvent(f"an object of {len(fields)} fields; at most {MAX_FIELDS} are read")
    return fields


def _reject_constant(name: str) -> NoReturn:
    raise MalformedEvent(f"{name} is not JSON")
