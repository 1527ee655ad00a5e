import base64
import json
from urllib.parse import quote, urlencode

import pytest

from tests.support.injected import find_leaks

SECRET = 's3cr/t+with=odd "bits"'


@pytest.mark.parametrize("before", ["", "a", "ab", "user:"])
@pytest.mark.parametrize("after", ["", "z", "zz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_found_wherever_base64_has_put_it(before: str, after: str, encode) -> None:  # type: ignore[no-untyped-def]
    text = b"log: " + encode(f"{before}{SECRET}{after}".encode())
    assert find_leaks({"password": SECRET}, {"log": text}) == ["password in log"]


@pytest.mark.parametrize(
    "text", [SECRET, quote(SECRET), urlencode({"k": SECRET}), json.dumps({"k": SECRET}), SECRET.encode().hex()]
)
def test_a_secret_is_found_as_it_is_and_encoded(text: str) -> None:
    assert find_leaks({"password": SECRET}, {"log": f"x {text} y".encode()}) == ["password in log"]


def test_nothing_is_found_where_nothing_is() -> None:
    assert find_leaks({"password": SECRET}, {"log": b"s3cr/t+with=odd", "metrics": b""}) == []
