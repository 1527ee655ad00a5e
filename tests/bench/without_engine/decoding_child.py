"""Decodes files over and over, in the checkout that stands on its path; imports nothing of the benchmark.

python decoding_child.py: a job {"files", "repeats", "by_pillow"} is a line on stdin, the seconds of one decoding its
result on stdout.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

MAX_PIXELS = 50_000_000


def decode_by_pillow(data: bytes) -> None:
    """Decode as a script would that knows nothing of profiles, orientation and broken files."""
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB")


def find_own_decoder() -> Callable[[bytes], object]:
    has_room = find_spec("pipeline.decoding") is not None  # else the checkout is from before 2026-11-26
    module = import_module("pipeline.decoding.decode" if has_room else "pipeline.images")
    return lambda data: module.decode(data, max_pixels=MAX_PIXELS)


def main() -> None:
    decoders = {False: find_own_decoder(), True: decode_by_pillow}
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        decode, files = decoders[job["by_pillow"]], [Path(file).read_bytes() for file in job["files"]]
        began = time.process_time()  # its only thread's, so that other programs do not count
        for _ in range(job["repeats"]):
            for data in files:
                decode(data)
        print(json.dumps((time.process_time() - began) / len(files) / job["repeats"]), flush=True)


if __name__ == "__main__":
    main()
