"""Notes beside itself whom this process connects to and which names it looks up; connections.py installs it."""

import os
import sys
from pathlib import Path

_NOTES = os.open(Path(__file__).with_name("connections"), os.O_WRONLY | os.O_APPEND)
_noted: set[str] = set()


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        whom = f"{address[0]}:{address[1]}" if isinstance(address, tuple) else repr(address)
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        whom = str(arguments[0])
    else:
        return
    if whom not in _noted:
        _noted.add(whom)
        os.write(_NOTES, ascii(whom)[1:-1].encode() + b"\n")


sys.addaudithook(_note)
