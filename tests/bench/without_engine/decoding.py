"""(k) Measures what decoding costs for ordinary files: beside Pillow alone and, with `--beside`, another checkout."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.geometry import Size
from tests.bench.run.child import Child, start_child
from tests.bench.run.pictures import Photographs, Pictures
from tests.bench.run.session import Session
from tests.bench.run.versions import BESIDE, HERE
from tests.support.paths import ROOT

CHILD = Path(__file__).with_name("decoding_child.py")
PHOTOGRAPH: Size = (4000, 3000)
SCREENSHOT: Size = (1600, 1200)
FILES = 4
"""of each kind"""
PIXELS_OF_A_READING = 60_000_000


@dataclass(frozen=True, slots=True)
class DecodingJob:
    files: list[str]
    repeats: int
    by_pillow: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one kind; `repeats` gives each kind about the same work in a reading."""

    name: str
    files: list[str]
    repeats: int


def measure(session: Session) -> None:
    kinds = _write_kinds(session.ground.directory)
    with _start_children(session) as children:
        for kind in kinds:
            session.progress.say(f"decoding: {kind.name}")
            readings = [_read(children, kind) for _ in range(session.plan.repeats)]
            session.report.add(f"decode_ms_{kind.name}", [1000 * reading[HERE] for reading in readings])
            for other in (reading for reading in readings[0] if reading != HERE):
                ratios = [reading[HERE] / reading[other] for reading in readings]
                session.report.add(f"decode_ms_{kind.name}_over_{other}", ratios)


def _read(children: dict[str, Child], kind: Kind) -> dict[str, float]:
    """Return the seconds of one decoding, by decoder."""

    def perform(child: Child, *, by_pillow: bool = False) -> float:
        return float(child.perform(DecodingJob(kind.files, kind.repeats, by_pillow)))

    return {
        **{version: perform(child) for version, child in children.items()},
        "pillow": perform(children[HERE], by_pillow=True),
    }


@contextmanager
def _start_children(session: Session) -> Iterator[dict[str, Child]]:
    versions = {HERE: ROOT, **({} if session.beside is None else {BESIDE: session.beside})}
    with ExitStack() as stack:
        children = {
            version: stack.enter_context(
                start_child(
                    CHILD,
                    session.ground.directory / f"decoding-{version}.log",
                    environment={"PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"},
                )
            )
            for version, code in versions.items()
        }
        for child in children.values():
            child.wait()
        yield children


def _write_kinds(directory: Path) -> list[Kind]:
    pictures, photographs, screenshots = Pictures(), Photographs(PHOTOGRAPH), Photographs(SCREENSHOT)
    contents = {
        "jpeg_512": [pictures.jpeg(number) for number in range(FILES)],
        "jpeg_12mp": [photographs.jpeg(number) for number in range(FILES)],
        "png_2mp": [_convert_to_png(screenshots.jpeg(number)) for number in range(FILES)],
    }
    return [_write_kind(directory, name, files) for name, files in contents.items()]


def _write_kind(directory: Path, name: str, contents: list[bytes]) -> Kind:
    files = [directory / f"{name}-{number}" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    with Image.open(files[0]) as image:
        pixels = len(contents) * image.width * image.height
    return Kind(name, [str(file) for file in files], max(1, PIXELS_OF_A_READING // pixels))


def _convert_to_png(jpeg: bytes) -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(stream, "PNG")
    return stream.getvalue()
