"""`zoomin check`: the reference page of the settings, and with --connect whether they lead anywhere."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from pipeline.checkpoint import Checkpoint
from pipeline.errors import StoreUnavailable, ZoomInError
from worker.cli.stream import quiet_client
from worker.common.settings import Settings, environment_name
from worker.kafka.client import check_headroom, check_topics
from worker.storage.store import ImageStore

NAME = "check"
HELP = "print the resolved, redacted settings; with --connect also reach broker, topics, buckets and model"

Step = tuple[str, str, bool]
"""What was tried, what came of it, and whether that is well."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connect", action="store_true", help="reach everything that the settings name")
    parser.add_argument("--json", action="store_true", help="for programs: one object")
    parser.epilog = "example:\n  zoomin check --connect"


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    steps = asyncio.run(_connect(settings)) if args.connect else []
    if args.json:
        print(json.dumps({"settings": settings.model_dump(mode="json"), "connections": steps}))
    else:
        _show(settings, steps)
    return 0 if all(well for _, _, well in steps) else 1


def _show(settings: Settings, steps: list[Step]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for name, value, meaning in _rows(settings):
        console.print(Text(f"{name}={value}"), Text(f"  # {meaning}" if meaning else "", style="dim"), sep="")
    for what, result, well in steps:
        console.print(f"{'ok  ' if well else 'FAIL'} {what}: {result}", style="green" if well else "red", markup=False)


def _rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for section_name in type(settings).model_fields:
        section: BaseModel = getattr(settings, section_name)
        for field, value in section.model_dump(mode="json").items():
            meaning = type(section).model_fields[field].description or ""
            shown = ",".join(sorted(value)) if isinstance(value, list) else str("" if value is None else value)
            yield environment_name(section_name, field), shown, meaning


async def _connect(settings: Settings) -> list[Step]:
    quiet_client()
    store = ImageStore(settings.store)
    buckets = sorted(settings.store.buckets | ({settings.sampling.bucket} - {""}))
    tried = {
        "model": partial(_model, settings),
        "kafka": partial(_kafka, settings),
        **{f"bucket {bucket}": partial(_bucket, store, bucket) for bucket in buckets},
    }
    try:
        return [await _step(what, do) for what, do in tried.items()]
    finally:
        store.close()


async def _step(what: str, do: Callable[[], Awaitable[str]]) -> Step:
    try:
        return what, await do(), True
    except ZoomInError as error:
        return what, error.detail, False


async def _model(settings: Settings) -> str:
    checkpoint = await asyncio.to_thread(Checkpoint.read, settings.engine.model)
    card = checkpoint.card
    return f"{checkpoint.name} {checkpoint.revision[:19]}, prompt {card.prompt_version}, boxes in {card.box_frame}"


async def _kafka(settings: Settings) -> str:
    await asyncio.to_thread(check_topics, settings.kafka)
    await asyncio.to_thread(check_headroom, settings.kafka)
    return f"{settings.kafka.bootstrap_servers}, three topics"


async def _bucket(store: ImageStore, bucket: str) -> str:
    problem = await store.check(bucket)
    if problem:
        raise StoreUnavailable(problem)
    return "readable"
