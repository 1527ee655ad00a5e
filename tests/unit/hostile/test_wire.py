"""Against the client's own format code: a broker is told the same bytes (tests/hostile/test_round.py)."""

from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from tests.hostile.wire import Headers, written


def read_back(headers: Headers) -> list[tuple[str, bytes | None]]:
    builder = DefaultRecordBatchBuilder(2, 0, True, -1, -1, -1, 100_000)
    builder.append(0, 1, b"key", b"value", written(headers))
    builder.append(1, 1, b"key", b"value", [])
    first, second = DefaultRecordBatch(bytes(builder.build()))
    assert (first.key, first.value, second.key, second.value) == (b"key", b"value", b"key", b"value")
    return list(first.headers)


def test_headers_with_values_are_the_clients_own() -> None:
    headers = [("a", b"1"), ("a", b""), ("", b"x")]
    assert read_back(headers) == headers


def test_a_header_without_a_value_brings_another_along() -> None:
    assert read_back([("name", None)]) == [("name", None), ("also", None)]
    headers: Headers = [("before", b"1"), ("\N{LATIN SMALL LETTER A WITH DIAERESIS}", None), ("after", b"2")]
    assert read_back(headers) == [*headers[:2], ("also", None), *headers[2:]]
