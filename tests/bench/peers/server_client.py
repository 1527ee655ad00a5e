"""Consumes the same topic and bucket as the worker, many images at once in asyncio, with an OpenAI server as engine.

It is written for speed and promises less: a timer commits offsets, so a crash loses the events in flight; a broken
image ends it; it retries nothing. It reads its job from stdin.
"""

import asyncio
import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

import boto3
import uvloop
from botocore.config import Config
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from openai import AsyncOpenAI

from pipeline import images
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.decoding.decode import decode
from pipeline.engine import Answer, Query
from pipeline.local_image import LocalImage
from pipeline.verdict import Inspection, ModelImage, RgbImage
from pipeline.zoomin import inspect
from tests.bench.peers.server import NAME
from tests.bench.run.job import MAX_PIXELS, READY, ClientJob, open_answers
from worker.local.s3 import REGION

TIMEOUT_S = 120
NO_PROBABILITY = float("nan")
"""the server is asked for the verdict alone: log-probabilities of every token would cost it more"""


class ServerEngine:
    """An engine behind chat completions: the request holds the start of the answer and the grammar of the rest."""

    def __init__(self, server_url: str, card: CheckpointCard) -> None:
        self.card = card
        self._client = AsyncOpenAI(base_url=server_url, api_key="none", timeout=TIMEOUT_S, max_retries=0)

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        completion = await self._client.chat.completions.create(
            model=NAME,
            messages=build_messages(query),
            temperature=temperature,
            max_tokens=query.max_tokens,
            extra_body={
                "structured_outputs": {"regex": query.grammar},
                "add_generation_prompt": False,
                "continue_final_message": True,
            },
        )
        choice = completion.choices[0]
        text = query.answer_start + (choice.message.content or "")
        return Answer(text, NO_PROBABILITY, truncated=choice.finish_reason == "length")


def build_messages(query: Query) -> Any:
    """Build the query as chat messages: system, user, and the start of the answer."""
    parts = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": encode_image(part)}}
        for part in query.content
    ]
    return [
        {"role": "system", "content": [{"type": "text", "text": query.instructions}]},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": query.answer_start},
    ]


@lru_cache(maxsize=256)
def encode_image(image: ModelImage) -> str:
    """Encode an image as the URL of a PNG, once for both queries; lossless, so all models see the same pixels."""
    return "data:image/png;base64," + base64.b64encode(images.encode_png(image.pixels)).decode()


class Service:
    """Consumer, store, engine and producer of the process."""

    def __init__(self, job: ClientJob) -> None:
        place = job.place
        self._job = job
        self._engine = ServerEngine(job.server_url, Checkpoint.read(Path(job.model)).card)
        self._consumer = KafkaConsumer(
            place.input_topic,
            bootstrap_servers=place.bootstrap_servers,
            group_id=place.group_id,
            auto_offset_reset="earliest",
        )
        self._producer = KafkaProducer(bootstrap_servers=place.bootstrap_servers)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=place.endpoint_url,
            region_name=REGION,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret_key,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=job.concurrency),
        )
        self._free = asyncio.Semaphore(job.concurrency)

    async def run(self, answers: TextIO) -> None:
        """Consume until the process is ended."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(self._job.concurrency))
        consuming = ThreadPoolExecutor(1)
        ready = False
        async with asyncio.TaskGroup() as group:
            while True:
                polled = await loop.run_in_executor(consuming, self._poll)
                if not ready and self._consumer.assignment():
                    ready = True
                    answers.write(f"{READY}\n")
                for record in polled:
                    await self._free.acquire()
                    group.create_task(self._judge(record)).add_done_callback(lambda _: self._free.release())

    def _poll(self) -> list[ConsumerRecord]:
        return list(chain(*self._consumer.poll(timeout_ms=500, max_records=self._job.concurrency).values()))

    async def _judge(self, record: ConsumerRecord) -> None:
        url = urlsplit(record.value.decode())
        image = await asyncio.to_thread(self._load, url.netloc, url.path.lstrip("/"))
        inspection = await inspect(LocalImage(image), self._engine)
        self._producer.send(self._job.place.verdict_topic, render_verdict(record, inspection))

    def _load(self, bucket: str, key: str) -> RgbImage:
        data = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return decode(data, max_pixels=MAX_PIXELS)


def render_verdict(record: ConsumerRecord, inspection: Inspection) -> bytes:
    """Render the fields of a VerdictEvent that the comparison reads."""
    scan, check = inspection.scan, inspection.check
    verdict = {
        "image": {"key": urlsplit(record.value.decode()).path.lstrip("/")},
        "record": {"timestamp_ms": record.timestamp},
        "scan": {"verdict": scan.verdict, "explanation": scan.explanation},
        "check": check and {"verdict": check.verdict, "explanation": check.explanation},
    }
    return json.dumps(verdict).encode()


def main() -> None:
    answers = open_answers()
    job = ClientJob.parse(json.loads(sys.stdin.readline()))

    async def serve() -> None:
        await Service(job).run(answers)

    uvloop.run(serve())


if __name__ == "__main__":
    main()
