"""Attacks of a decoder process that untrusted bytes have taken over: each ends as a code and costs one image."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ImageTooLarge, ImageUndecodable
from pipeline.sandbox.decoder import Decoder
from tests.support.builders import build_noise, encode_image
from tests.support.hijacked_decoder import FORBIDDEN_CALLS, LATER, LIES, mark

PIXELS = build_noise()
SMALL = encode_image(PIXELS, "PNG")
LARGE = encode_image(build_noise(80, 60), "PNG")
KILLED = "decoding killed the decoder"
MEBI = 1 << 20


@pytest.fixture(scope="module")
def hijacked_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a folder from which Python runs the attacks at the start of a process."""
    path = tmp_path_factory.mktemp("hijacked")
    (path / "sitecustomize.py").write_text("from tests.support import hijacked_decoder\nhijacked_decoder.install()\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path)
        yield path


@pytest.fixture(scope="module")
def decoder(hijacked_path: Path) -> Iterator[Decoder]:
    opened = Decoder(max_pixels=1_000_000, memory_limit_mib=256)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def judge_the_next_image(decoder: Decoder) -> Iterator[None]:
    """Decode honest images before and after each attack."""
    assert decoder.decode(SMALL).size_px == PIXELS.size
    yield
    assert (np.asarray(decoder.decode(SMALL).pixels) == np.asarray(PIXELS)).all()


@pytest.mark.parametrize("attack", FORBIDDEN_CALLS)
def test_a_forbidden_call_ends_the_process(decoder: Decoder, attack: str) -> None:
    child = decoder._child
    with pytest.raises(ImageUndecodable, match=KILLED):
        decoder.decode(mark(SMALL, attack))
    assert decoder._child is not child
    if "seccomp" in decoder.read_confinement().holding:
        assert child.process.returncode == -signal.SIGSYS


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_believed(decoder: Decoder, lie: str) -> None:
    with pytest.raises(ImageUndecodable, match=KILLED):
        decoder.decode(mark(SMALL, lie))


@pytest.mark.parametrize("attack", ["open file", "larger than the header", "an error of the store", "another token"])
def test_an_attack_at_the_next_file_does_not_cost_that_file(decoder: Decoder, attack: str) -> None:
    assert decoder.decode(mark(SMALL, LATER + attack)).size_px == PIXELS.size
    assert decoder.decode(SMALL).size_px == PIXELS.size


def test_memory_ends_at_the_limit_and_the_process_is_replaced(decoder: Decoder) -> None:
    child = decoder._child
    with pytest.raises(ImageTooLarge, match="memory"):
        decoder.decode(mark(SMALL, "eat memory"))
    assert decoder._child is not child


def test_the_shared_memory_has_a_limit(decoder: Decoder) -> None:
    child = decoder._child
    memory = os.dup(child._memory)
    try:
        with pytest.raises(ImageUndecodable, match="File too large"):
            decoder.decode(mark(SMALL, "write gigabytes"))
        assert decoder._child is not child
        assert os.fstat(memory).st_size < MEBI
    finally:
        os.close(memory)


def test_an_interpreter_that_may_be_broken_is_replaced(decoder: Decoder) -> None:
    child = decoder._child
    with pytest.raises(ImageUndecodable):
        decoder.decode(mark(SMALL, "break the interpreter"))
    assert decoder._child is not child


def test_a_second_reply_is_not_taken_for_that_to_the_next_image(decoder: Decoder) -> None:
    assert decoder.decode(mark(SMALL, "reply twice")).size_px == PIXELS.size
    assert decoder.decode(LARGE).size_px == (80, 60)


def test_a_late_reply_is_not_waited_for(hijacked_path: Path) -> None:
    decoder = Decoder(max_pixels=1_000_000, deadline_s=1)
    try:
        decoder.read_confinement()
        with pytest.raises(ImageUndecodable, match="took longer than 1 s"):
            decoder.decode(mark(SMALL, "hang"))
        assert decoder.decode(SMALL).size_px == PIXELS.size
    finally:
        decoder.close()
