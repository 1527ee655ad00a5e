"""Encodes messages as a front or its worker would send them."""

from pipeline.vllm.frames import Message, write_frame


class _Written(bytearray):
    """Collects what is written, in place of a StreamWriter."""

    def write(self, content: bytes) -> None:
        self.extend(content)


def encode_frames(*messages: Message) -> bytes:
    written = _Written()
    for message in messages:
        write_frame(written, message)  # type: ignore[arg-type]
    return bytes(written)
