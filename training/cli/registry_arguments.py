"""Types of argparse for a model registry: models, revisions, smoke questions, and who says why."""

import argparse
import getpass
import re
import socket
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress, parse_address
from pipeline.verdict import Verdict

_REVISION = re.compile(r"sha256[:-][0-9a-f]{64}")


def parse_model(text: str) -> ModelAddress:
    """Parse the address of a model, with or without a revision."""
    try:
        return parse_address(text)
    except BadSettings as error:
        raise argparse.ArgumentTypeError(error.detail) from error


def parse_revision(text: str) -> str:
    """Parse a revision as it is shown (`sha256:...`) or as it stands in keys (`sha256-...`)."""
    if not _REVISION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no revision: it is written sha256-, then 64 hexadecimal digits")
    return text.replace("-", ":")


def parse_smoke(text: str) -> tuple[Verdict, Path]:
    verdict, _, path = text.partition("=")
    if verdict not in list(Verdict) or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is no smoke question: write real=FILE or generated=FILE")
    return Verdict(verdict), Path(path)


def build_text_type(max_characters: int) -> Callable[[str], str]:
    """Build the type of a text that is not blank."""

    def parse(text: str) -> str:
        if not text.strip() or len(text) > max_characters:
            raise argparse.ArgumentTypeError(f"must have 1 to {max_characters} characters")
        return text.strip()

    return parse


def name_user() -> str:
    """Return user@host. Raises: BadSettings if this system has no name for the user."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError) as error:
        raise BadSettings("this user has no name on this machine: give one with --by") from error
