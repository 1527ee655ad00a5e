"""Find injected secrets in texts, also encoded ones; pure."""

import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, quote_plus


def list_forms(secret: str) -> set[bytes]:
    """List a secret's forms: plain, quoted for a URL, escaped for JSON, in hex, and in base64 inside longer texts."""
    raw = secret.encode()
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], raw.hex()}
    return {form.encode() for form in plain} | _list_base64_forms(raw)


def find_leaks(secrets: Mapping[str, str], places: Mapping[str, bytes]) -> list[str]:
    """Return one line for each secret and each place where it is found."""
    return [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, text in places.items()
        if any(form in text for form in list_forms(secret))
    ]


def _list_base64_forms(raw: bytes) -> set[bytes]:
    """List what all base64 texts with these bytes have in common, for each place where the bytes may begin."""
    found = set()
    for before in range(3):
        shifted = base64.b64encode(bytes(before) + raw)
        last = (before + len(raw)) // 3 * 4  # beyond, the characters depend on what follows
        common = shifted[-(-before * 4 // 3) : last]
        found |= {common, common.replace(b"+", b"-").replace(b"/", b"_")}
    return found
