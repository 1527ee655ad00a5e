import ast
import errno
import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from pipeline import errors
from pipeline.decoding.decode import READERS
from pipeline.errors import DECODING_ERRORS, ImageRefused, ImageTooLarge, ImageUndecodable, PoisonError
from pipeline.sandbox.decoder import Decoder
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.heic import encode_heic
from tests.support.image_files.jxl import encode_jxl
from tests.support.paths import ROOT
from tests.unit.test_structure import MAY_IMPORT

SMALL = encode_image(build_noise(), "PNG")
SHORT_S = 1.0
"""a deadline to wait for, and long enough for a small image on a busy machine"""
DECODE_TO_AN_ERROR = """
from pipeline import errors
from pipeline.decoding import decode as module

def decode(data, *, max_pixels):
    raise getattr(errors, data.decode())("as asked")

module.decode = decode
"""
"""Python runs it at the start of the child: the bytes of an image are then the class name of an error"""
FindChild = Callable[[], psutil.Process]


@pytest.fixture
def find_child() -> FindChild:
    """Find the one process that the test started."""
    before = set(psutil.Process().children())
    return lambda: next(child for child in psutil.Process().children() if child not in before)


@pytest.fixture
def decoder(find_child: FindChild) -> Iterator[Decoder]:
    opened = Decoder(max_pixels=100_000_000, memory_limit_mib=256, deadline_s=SHORT_S)
    yield opened
    opened.close()


def test_pixels_come_back_as_they_are(decoder: Decoder) -> None:
    image = decoder.decode(SMALL)
    assert (image.format, image.frames, image.size_px) == ("png", 1, (64, 48))
    assert (np.asarray(image.pixels) == np.asarray(build_noise())).all()


def test_errors_cross_the_process_and_the_child_stays(decoder: Decoder, find_child: FindChild) -> None:
    before = decoder.decode(SMALL), find_child()
    with pytest.raises(ImageRefused, match="jpeg"):
        decoder.decode(b"hello")
    with pytest.raises(ImageUndecodable, match="broken"):
        decoder.decode(SMALL[:20])
    assert find_child() == before[1]


def test_a_child_that_ran_out_of_memory_is_replaced(decoder: Decoder, find_child: FindChild) -> None:
    decoder.read_confinement()
    before = find_child()
    with pytest.raises(ImageTooLarge, match="memory"):
        decoder.decode(encode_image(Image.new("L", (9000, 9000)), "PNG"))
    assert find_child() != before
    assert decoder.decode(SMALL).size_px == (64, 48)


@pytest.mark.parametrize("name", READERS)
def test_every_format_is_decoded_without_rights(decoder: Decoder, find_child: FindChild, name: str) -> None:
    pixels = build_noise()
    encoders = {"heic": encode_heic, "jxl": lambda picture: encode_jxl(np.asarray(picture))}
    data = encoders[name](pixels) if name in encoders else encode_image(pixels, name.upper())
    decoder.read_confinement()
    child = find_child()
    assert decoder.decode(data).size_px == pixels.size
    assert find_child() == child


def find_raised_errors(source: str) -> set[type[PoisonError]]:
    """Return the classes below PoisonError that the source names after `raise`."""
    raised = [node.exc for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)]
    names = {call.func.id for call in raised if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    classes = {getattr(errors, name, None) for name in names}
    return {error for error in classes if isinstance(error, type) and issubclass(error, PoisonError)}


def test_every_error_of_decoding_crosses_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = {"pipeline/decoding"} | MAY_IMPORT["pipeline/decoding"] - {"pipeline"}
    sources = chain.from_iterable((ROOT / room).glob("*.py") for room in rooms)
    raised = set().union(*(find_raised_errors(source.read_text()) for source in sources))
    assert raised == set(DECODING_ERRORS)
    (tmp_path / "sitecustomize.py").write_text(DECODE_TO_AN_ERROR)
    monkeypatch.syspath_prepend(tmp_path)
    decoder = Decoder(max_pixels=1_000_000)
    try:
        for error in raised:
            with pytest.raises(error, match="as asked"):
                decoder.decode(error.__name__.encode())
    finally:
        decoder.close()


def test_a_stuck_child_is_killed_and_replaced(decoder: Decoder, find_child: FindChild) -> None:
    decoder.decode(SMALL)
    stuck = find_child()
    stuck.suspend()
    with pytest.raises(ImageUndecodable, match=r"took longer than 1\.0 s"):
        decoder.decode(SMALL)
    assert not stuck.is_running()
    assert decoder.decode(SMALL).size_px == (64, 48)


def test_a_successor_that_cannot_start_is_tried_again_and_closes_nothing_of_others(
    decoder: Decoder, find_child: FindChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder.decode(SMALL)
    find_child().kill()
    find_child().wait(timeout=20)

    def fail(_name: str) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(os, "memfd_create", fail)
            with pytest.raises(OSError, match="too many open files"):
                decoder.decode(SMALL)
    with Path(os.devnull).open() as others:
        assert decoder.decode(SMALL).size_px == (64, 48)
        os.fstat(others.fileno())


def test_an_image_does_not_pay_for_a_child_that_died_before(decoder: Decoder, find_child: FindChild) -> None:
    decoder.decode(SMALL)
    child = find_child()
    child.kill()
    psutil.wait_procs([child])
    assert decoder.decode(SMALL).size_px == (64, 48)
