"""Holds one Kafka record as the consumer received it, before its value is parsed."""

from dataclasses import dataclass

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A Kafka record: its coordinates, and key, value and headers as bytes."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def size_bytes(self) -> int:
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers

    def get_header(self, name: str) -> bytes | None:
        """Return the value of the last header of this name: the header that was added last wins."""
        return next((value for key, value in reversed(self.headers) if key == name), None)
