"""Decoder processes seen from outside: code that Python runs at their start stands for what may go wrong in them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.decoding.decode import READERS
from pipeline.errors import ImageUndecodable, InternalFault
from pipeline.sandbox.decoder import Decoder
from tests.support.builders import build_noise, encode_image
from tests.support.image_files.heic import encode_heic
from tests.support.image_files.jxl import encode_jxl

SMALL = encode_image(build_noise(), "PNG")
MISSING = """
import sys

sys.modules["pillow_heif"] = None
"""
FAULTY = """
from pipeline import images

def resize_view(image, max_pixels):
    raise ValueError("a fault of ours")

images.resize_view = resize_view
"""
UNABLE = """
from pipeline.decoding import decode

def load_codecs():
    raise OSError("no such codec")

decode.load_codecs = load_codecs
"""


def encode(name: str) -> bytes:
    if name == "heic":
        return encode_heic(build_noise())
    return encode_jxl(np.asarray(build_noise())) if name == "jxl" else encode_image(build_noise(), name.upper())


@pytest.fixture
def run_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    (tmp_path / "sitecustomize.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    opened = Decoder(max_pixels=1_000_000)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", READERS)
def test_a_broken_file_of_any_format_costs_no_process(decoder: Decoder, name: str) -> None:
    decoder.read_confinement()
    before = set(psutil.Process().children())
    data = bytearray(encode(name))
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    for broken in (bytes(data), bytes(data[:40])):
        try:
            decoder.decode(broken)
        except ImageUndecodable:
            continue
    assert set(psutil.Process().children()) == before


@pytest.mark.parametrize("run_at_start", [MISSING], indirect=True)
@pytest.mark.usefixtures("run_at_start")
def test_without_the_package_of_a_format_the_others_are_judged(decoder: Decoder) -> None:
    with pytest.raises(ImageUndecodable, match="pillow_heif"):
        decoder.decode(encode("heic"))
    assert decoder.decode(SMALL).size_px == decoder.decode(encode("jxl")).size_px == (64, 48)


@pytest.mark.parametrize("run_at_start", [FAULTY], indirect=True)
@pytest.mark.usefixtures("run_at_start")
def test_a_fault_of_ours_is_named(decoder: Decoder) -> None:
    with pytest.raises(ImageUndecodable, match="ValueError: a fault of ours"):
        decoder.build_view(SMALL, 10_000)
    assert decoder.decode(SMALL).size_px == (64, 48)


@pytest.mark.parametrize("run_at_start", [UNABLE], indirect=True)
@pytest.mark.usefixtures("run_at_start")
def test_a_process_that_cannot_start_says_why(decoder: Decoder) -> None:
    with pytest.raises(InternalFault, match=r"does not start.*no such codec"):
        decoder.decode(SMALL)
