"""A plain consumer, as one writes it in an afternoon: poll one, fetch, decode, ask, ask, produce, commit."""

import json
from urllib.parse import urlsplit

from kafka import KafkaConsumer, KafkaProducer

from pipeline.decoding.decode import decode
from pipeline.engine import VisionEngine
from pipeline.local_image import LocalImage
from pipeline.zoomin import inspect
from tests.bench.run.job import MAX_PIXELS, PlainJob
from worker.local.s3 import build_s3_client


async def consume(job: PlainJob, engine: VisionEngine) -> None:
    place = job.place
    consumer = KafkaConsumer(
        place.input_topic,
        bootstrap_servers=place.bootstrap_servers,
        group_id=place.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=1,
    )
    producer = KafkaProducer(bootstrap_servers=place.bootstrap_servers)
    s3 = build_s3_client(place.endpoint_url, place.access_key, place.secret_key)
    answered = 0
    while answered < job.count:
        for records in consumer.poll(timeout_ms=1000).values():
            for record in records:
                url = urlsplit(record.value.decode())
                data = s3.get_object(Bucket=url.netloc, Key=url.path.lstrip("/"))["Body"].read()
                inspection = await inspect(LocalImage(decode(data, max_pixels=MAX_PIXELS)), engine)
                verdict = {"url": record.value.decode(), "verdict": inspection.last_answer.verdict.value}
                producer.send(place.verdict_topic, json.dumps(verdict).encode()).get(timeout=30)
                consumer.commit()
                answered += 1
    producer.close(timeout=5)
    consumer.close()
    s3.close()
