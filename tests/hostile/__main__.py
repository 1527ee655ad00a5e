"""`make hostile`: the corpus through real workers, and a million mutated strings; into build/hostile.json."""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.hostile import through_worker
from tests.hostile.addresses import Ground
from tests.hostile.corpus import answers, events, images
from tests.hostile.entries import MAX_PIXELS
from tests.hostile.listener import ForbiddenListener
from tests.hostile.mutation import hunt
from tests.hostile.through_worker import Round
from tests.services import KafkaForTests, S3ForTests
from tests.site import MODEL, Site
from tests.worker_process import STANDIN
from worker.local import LocalStack

ANSWERING = ("tests.hostile.answering_worker",)
SETTINGS = {"ZOOMIN_STORE__MAX_IMAGE_PIXELS": str(MAX_PIXELS), "ZOOMIN_RETRY__PATIENCE_S": "5"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--mutations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/hostile.json"))
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("ZOOMIN_", "AWS_"))]:
        del os.environ[name]
    with ForbiddenListener() as listener:
        rounds, surprises = _through_workers(listener.port)
        print(f"Mutating {options.mutations} strings", flush=True)
        surprises += hunt(options.mutations, seed=options.seed, ground=Ground())
    outcomes = sum((Counter(round_.outcomes) for round_ in rounds), Counter())
    figures = {
        "images": len(images()),
        "events": len(events(Ground())),
        "answers": len(answers()),
        "surprises": len(surprises),
        "forbidden_requests": len(listener.requests),
        "peak_rss_mib": round(max(round_.peak_rss_mib for round_ in rounds)),
        "outcomes": dict(outcomes.most_common()),
        "mutations": options.mutations,
        "seed": options.seed,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=2) + "\n")
    for surprise in surprises[:50]:
        print(f"surprise: {ascii(surprise)[:600]}")
    for name, value in (figures | outcomes | {"outcomes": sum(outcomes.values())}).items():
        print(f"{name:<24}{value:>10}")
    return 1 if surprises or listener.requests else 0


def _through_workers(forbidden_port: int) -> tuple[list[Round], list[str]]:
    with LocalStack(say=print) as stack:
        weed = stack.seaweedfs
        s3 = S3ForTests(weed.endpoint_url, access_key=weed.access_key, secret_key=weed.secret_key)
        kafka = KafkaForTests(stack.kafka)
        s3.client.create_bucket(Bucket="secret")
        first = Round(Site(kafka, s3, stack.directory / "corpus", settings=dict(SETTINGS)))
        second = Round(Site(kafka, s3, stack.directory / "answers", settings=dict(SETTINGS)))
        ground = Ground(int(s3.endpoint_url.rpartition(":")[2]), first.site.bucket, forbidden_port)
        card = Checkpoint.read(MODEL).card
        print("Images and events through a worker", flush=True)
        with first.site.worker(*STANDIN) as worker:
            worker.started()
            through_worker.send_images(images(), first, card)
            through_worker.send_events(events(ground), first)
            surprises = first.surprises(worker)
        print("Answers through a worker", flush=True)
        with second.site.worker(*ANSWERING) as worker:
            worker.started()
            through_worker.send_answers(answers(), second)
            surprises += second.surprises(worker)
        s3.client.close()
    return [first, second], surprises


if __name__ == "__main__":
    sys.exit(main())
