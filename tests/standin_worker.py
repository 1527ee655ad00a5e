"""A worker process with the real loop, Kafka and S3; only the engine is a stand-in.

python -m tests.standin_worker --images-per-s 30 --concurrency 32
"""

import argparse
import asyncio
import sys

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings, ZoomInError
from tests.engines import DigestEngine, Pace
from worker import app, settings, telemetry


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images-per-s", type=float, help="unset: at once")
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    try:
        chosen = settings.load()
        telemetry.configure_logging(chosen.telemetry)
        card = Checkpoint.read(chosen.engine.model).card

        async def start() -> DigestEngine:
            paced = Pace(options.images_per_s, options.concurrency) if options.images_per_s else None
            return DigestEngine(card, before=paced)

        asyncio.run(app.run(chosen, engine=start))
    except ZoomInError as error:
        print(error.detail, file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
