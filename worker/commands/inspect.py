"""`zoomin inspect`: run both queries on local files, without Kafka and S3."""

import argparse
import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from pipeline import zoomin
from pipeline.checkpoint import Checkpoint
from pipeline.errors import EngineDead, FatalError, ZoomInError
from pipeline.evidence.card import draw_evidence_card
from pipeline.local_image import LocalImage
from pipeline.registry.address import parse_model_source
from pipeline.sandbox.decode_pool import DecodePool
from pipeline.verdict import RgbImage
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.wire.messages import NAMESPACE, JudgedImage, RecordRef, VerdictEvent, build_verdict_event
from worker.cli.local_files import choose_png_paths, prepare_outputs, read_image_file
from worker.cli.terminal import build_console, escape_unprintable, print_verdict_details
from worker.common.sections import EngineSettings
from worker.common.settings import Settings, build_worker_name
from worker.serving.revisions import fetch_model
from worker.serving.start import build_model_ref, start_vllm
from worker.serving.supervisor import Engine

NAME = "inspect"
HELP = "ask both queries about image files, without Kafka"
AT_ONCE = 8
STDERR = 2

Start = Callable[[Checkpoint, EngineSettings], Awaitable[Engine]]
START: Start = partial(start_vllm, max_in_flight=AT_ONCE)
JudgedFile = tuple[VerdictEvent, RgbImage]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an image")
    parser.add_argument(
        "--model",
        type=parse_model_source,
        metavar="MODEL",
        help="a checkpoint: DIR or s3://bucket/models/NAME; default: ZOOMIN_ENGINE__MODEL",
    )
    parser.add_argument("--json", action="store_true", help="one VerdictEvent a line")
    parser.add_argument(
        "--card", type=Path, metavar="OUT", help="save the evidence card: a PNG, or a directory for several"
    )
    parser.epilog = "example:\n  zoomin inspect photo.jpg --card evidence.png"


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    if args.model:
        settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"model": args.model})})
    with redirect_stderr() as errors:
        try:
            failed = asyncio.run(inspect_files(args.files, settings, errors, as_json=args.json, out=args.card))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
    return 1 if failed else 0


@contextmanager
def redirect_stderr() -> Iterator[Console]:
    """Send what libraries write to stderr into a file, and yield a console on the real stderr.

    The file is deleted unless the engine dies; the error then names it.
    """
    descriptor, name = tempfile.mkstemp(prefix="zoomin-inspect-", suffix=".log")
    terminal = os.dup(STDERR)
    os.dup2(descriptor, STDERR)
    os.close(descriptor)
    with os.fdopen(terminal, "w") as stream:
        try:
            yield build_console(stream)
        except EngineDead as error:
            error.detail += f"; the engine's output is in {name}"
            raise
        except BaseException:
            Path(name).unlink()
            raise
        else:
            Path(name).unlink()
        finally:
            sys.stderr.flush()
            os.dup2(terminal, STDERR)


async def inspect_files(
    files: Sequence[Path],
    settings: Settings,
    errors: Console,
    *,
    as_json: bool,
    out: Path | None,
    start: Start = START,
) -> int:
    """Print the verdict on each file in the order given, and return how many files got none.

    Raises: BadSettings, EngineDead; AccessDenied, StoreUnavailable where the model comes from a registry.
    """
    card_paths = _choose_card_paths(files, out)
    notify = partial(_notify, errors)
    model = await run_in_abandonable_thread(partial(fetch_model, settings.engine, settings.store, notify=notify))
    with model.hold:
        notify(f"Starting the engine on {model.checkpoint.name}: a minute or two on a CPU")
        engine = await start(model.checkpoint, settings.engine)
        try:
            outcomes = _inspect_all(files, settings, model.checkpoint, engine)
            return await _print_outcomes(outcomes, card_paths, errors, as_json=as_json)
        finally:
            await engine.close()


def _notify(errors: Console, sentence: str) -> None:
    errors.print(escape_unprintable(sentence), style="dim")


async def _print_outcomes(
    outcomes: AsyncIterator[tuple[Path, JudgedFile | ZoomInError]],
    card_paths: Mapping[Path, Path],
    errors: Console,
    *,
    as_json: bool,
) -> int:
    output, failed = build_console(), 0
    async for path, outcome in outcomes:
        if isinstance(outcome, ZoomInError):
            failed += 1
            errors.print(escape_unprintable(f"{path}: {outcome.detail} ({outcome.code})"), style="red")
            continue
        event, image = outcome
        if as_json:
            print(json.dumps(event.model_dump(mode="json")), flush=True)
        else:
            print_verdict_details(output, event)
        if path in card_paths:
            await asyncio.to_thread(_save_evidence_card, card_paths[path], event, image)
            _notify(errors, f"Evidence card: {card_paths[path]}")
    return failed


async def _inspect_all(
    files: Sequence[Path], settings: Settings, checkpoint: Checkpoint, engine: Engine
) -> AsyncIterator[tuple[Path, JudgedFile | ZoomInError]]:
    decoder = DecodePool(max_pixels=settings.store.max_image_pixels, workers=1)
    slots = asyncio.Semaphore(AT_ONCE)

    async def inspect_within_slots(path: Path) -> JudgedFile | ZoomInError:
        async with slots:
            try:
                return await _inspect_file(path, settings, checkpoint, engine, decoder)
            except FatalError:
                raise
            except ZoomInError as error:
                return error

    tasks = [asyncio.create_task(inspect_within_slots(path)) for path in files]
    try:
        for path, task in zip(files, tasks, strict=True):
            yield path, await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        decoder.close()


async def _inspect_file(
    path: Path, settings: Settings, checkpoint: Checkpoint, engine: Engine, decoder: DecodePool
) -> JudgedFile:
    seconds: dict[str, float] = {}

    @contextmanager
    def time_stage(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds[name] = time.monotonic() - began

    with time_stage("total"):
        with time_stage("fetch"):
            max_bytes = settings.store.max_image_bytes
            data, modified_ms = await asyncio.to_thread(read_image_file, path, max_bytes=max_bytes)
        with time_stage("decode"):
            image = await decoder.decode(data)
        inspection = await zoomin.inspect(LocalImage(image), engine, stage=time_stage)
    file = _describe_file(path, data, image)
    event = build_verdict_event(
        inspection,
        checkpoint,
        model=build_model_ref(checkpoint, engine.version),
        event_id=str(uuid.uuid5(NAMESPACE, json.dumps(["file", file.sha256]))),
        record=RecordRef(topic="", partition=0, offset=0, timestamp_ms=modified_ms),
        image=file,
        source=None,
        attributes={},
        timing_s=seconds,
        worker=build_worker_name(),
    )
    return event, image


def _describe_file(path: Path, data: bytes, image: RgbImage) -> JudgedImage:
    width, height = image.size_px
    return JudgedImage(
        bucket="",
        key=str(path),
        etag=None,
        version_id=None,
        sha256=hashlib.sha256(data).hexdigest(),
        width_px=width,
        height_px=height,
        format=image.format,
        frames=image.frames,
        bytes=len(data),
        repaired=image.repaired,
        frame=image.frame,
    )


def _choose_card_paths(files: Sequence[Path], out: Path | None) -> dict[Path, Path]:
    """Return the path of each file's evidence card, and create its directory.

    Raises: BadSettings, before the slow start of the engine.
    """
    if out is None:
        return {}
    if len(files) == 1 and not out.is_dir() and out.suffix.lower() == ".png":
        prepare_outputs([out], keep=files)
        return {files[0]: out}
    return choose_png_paths(files, out)


def _save_evidence_card(path: Path, event: VerdictEvent, image: RgbImage) -> None:
    draw_evidence_card(image.pixels, event).save(path)
