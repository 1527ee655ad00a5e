"""JSON as strangers send it, read strictly: one meaning or none."""

import json
from collections import Counter
from typing import NoReturn

from pipeline.errors import MalformedEvent
from pipeline.wire.urls import shown

MAX_FIELDS = 1000
"""of one object; each unknown one becomes an error object, and a megabyte of them would hold up the loop"""

JsonObject = dict[str, object]


def read_object(text: str | bytes) -> JsonObject:
    """One JSON object without repeated keys, NaN, lone surrogates or bottomless nesting.

    Raises: MalformedEvent.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        value = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in decoded:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise MalformedEvent("JSON nested too deep") from None
    except UnicodeError:
        raise MalformedEvent("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedEvent(f"not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:
        raise MalformedEvent("a number of too many digits") from None
    if not isinstance(value, dict):
        raise MalformedEvent(f"a JSON object is expected, not a {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise MalformedEvent(f"field {shown(twice)} stands there twice")
    if len(fields) > MAX_FIELDS:
        raise MalformedEvent(f"an object of {len(fields)} fields; at most {MAX_FIELDS} are read")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise MalformedEvent(f"{name} is not JSON")
