"""Judges files with vLLM's offline batch: Query 1 for all images, then Query 2 for all.

python -m tests.bench.peers.offline_batch MODEL: a BatchJob is a line on stdin, its result a line on stdout. The engine
works in this process and uses all cores for it: nothing else runs meanwhile.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.checkpoint import Checkpoint
from tests.bench.run.job import MAX_PIXELS, READY, BatchJob, BatchResult, open_answers
from worker.common.settings import apply_process_environment

if TYPE_CHECKING:
    from vllm import LLM

    from pipeline.engine import Query
    from pipeline.verdict import ModelImage, RgbImage
    from pipeline.vllm.rendering import Renderer

Parsed = TypeVar("Parsed")


class OfflineBatch:
    """The script that a team would run over a folder."""

    def __init__(self, checkpoint: Checkpoint, renderer: "Renderer", llm: "LLM") -> None:
        self._card = checkpoint.card
        self._renderer = renderer
        self._llm = llm
        self._threads = ThreadPoolExecutor(os.cpu_count())

    def judge(self, files: Sequence[str]) -> list[str]:
        """Return the verdicts in the order of the files."""
        from pipeline import geometry, images, parse, prompts
        from pipeline.zoomin import place_boxes

        card = self._card

        def cut(image: "RgbImage", view: "ModelImage", boxes: Sequence[parse.Numbers]) -> "list[ModelImage]":
            placed = place_boxes(boxes, frame=card.box_frame, view=view.size, image=image.size_px)
            chosen = geometry.choose_zoomable(placed, image.size_px, card.max_crops)
            return [images.crop(image, box, card.crop_max_pixels).image for box in chosen]

        loaded, views = zip(*self._threads.map(self._load, files), strict=True)
        scans = self._ask([prompts.build_global_scan(view, card.box_frame) for view in views], parse.parse_global_scan)
        crops = self._threads.map(cut, loaded, views, [boxes for _, boxes, _ in scans])
        checks = [prompts.build_local_check(*pair, card.box_frame) for pair in zip(views, crops, strict=True)]
        return [verdict.value for verdict, _ in self._ask(checks, parse.parse_local_check)]

    def _load(self, file: str) -> "tuple[RgbImage, ModelImage]":
        from pipeline import images
        from pipeline.decoding.decode import decode

        image = decode(Path(file).read_bytes(), max_pixels=MAX_PIXELS)
        return image, images.build_view(image, self._card.scan_max_pixels)

    def _ask(self, queries: "Sequence[Query]", read: Callable[..., Parsed]) -> list[Parsed]:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        prompts = [
            {
                "prompt_token_ids": self._renderer.render_prompt(query),
                "multi_modal_data": {"image": [image.pixels for image in query.images]},
            }
            for query in queries
        ]
        params = SamplingParams(
            temperature=0,
            max_tokens=queries[0].max_tokens,
            structured_outputs=StructuredOutputsParams(regex=queries[0].grammar),
        )
        completions = [output.outputs[0] for output in self._llm.generate(prompts, params, use_tqdm=False)]
        return [
            read(queries[0].answer_start + completion.text, truncated=completion.finish_reason == "length")
            for completion in completions
        ]


def main() -> None:
    answers = open_answers()
    os.environ["OMP_NUM_THREADS"] = str(os.cpu_count())
    apply_process_environment()
    from vllm import LLM

    from tests.bench.peers.options import build_peer_arguments

    checkpoint = Checkpoint.read(Path(sys.argv[1]))
    renderer, arguments = build_peer_arguments(checkpoint)
    batch = OfflineBatch(checkpoint, renderer, LLM(**arguments))
    answers.write(f"{READY}\n")
    for line in sys.stdin:
        files = BatchJob(**json.loads(line)).files
        began = time.perf_counter()
        verdicts = batch.judge(files)
        answers.write(json.dumps(asdict(BatchResult(time.perf_counter() - began, verdicts))) + "\n")


if __name__ == "__main__":
    main()
