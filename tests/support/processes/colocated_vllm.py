"""`zoomin-train` with a vLLM engine in its own process on a CPU, as on a GPU, once for each list of arguments.

    python -m tests.support.processes.colocated_vllm RECORD RUN...

A RUN is a JSON object: `arguments` of `zoomin-train`, and `stock`, the names of workarounds that are left out. RECORD
is written as JSON: for each run its exit code, and of one prompt that vLLM got the ids, and ids and image places that
its processor makes of them. The engine starts once.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from trl.generation import vllm_generation
from vllm import LLM
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.processing.context import TimingContext
from vllm.multimodal.processing.inputs import ProcessorInputs

from tests.support import gpu_build
from training.__main__ import main as run_training
from training.grpo import workarounds
from training.runs import processes

GPU_BYTES = 80 * 10**9
IMAGES = 3
LEFT_OUT: dict[str, Callable[..., object]] = {
    "collapse_image_runs": lambda token_ids, image_token: token_ids,
    "forget_image_features": lambda sampler: None,
}


class RecordingEngine(LLM):
    """Keeps the prompts that it got, and stays awake, as a CPU has no sleep mode; `started` is the one that runs."""

    started: ClassVar[Self | None] = None
    prompts: ClassVar[list[dict[str, Any]]] = []

    def generate(self, prompts: Sequence[dict[str, Any]], **options: Any) -> Any:
        self.prompts.extend(prompts)
        return super().generate(prompts, **options)

    def sleep(self, level: int = 1, **_: object) -> None:
        assert level == 2, "the trainer hands all weights over again"

    def wake_up(self, tags: list[str] | None = None) -> None:
        assert tags in (["weights"], ["kv_cache"])

    def describe_prompt(self) -> dict[str, Any]:
        """Return the ids of a prompt with three images, and what vLLM's own processor makes of them."""
        prompt = next(each for each in self.prompts if len(each["multi_modal_data"]["image"]) == IMAGES)
        processor = MULTIMODAL_REGISTRY.create_processor(self.llm_engine.model_config)
        items = processor.info.parse_mm_data(prompt["multi_modal_data"])
        processed = processor.apply(ProcessorInputs(prompt["prompt_token_ids"], items), TimingContext(enabled=False))
        places = processed["mm_placeholders"]["image"]
        return {
            "given": list(prompt["prompt_token_ids"]),
            "expanded": list(processed["prompt_token_ids"]),
            "places": [[place.offset, place.length] for place in places],
        }


def start_engine(gpu_memory_utilization: float, *, enable_sleep_mode: bool, **options: Any) -> RecordingEngine:
    """Start the engine that TRL asks for, or return the one that runs; on a CPU in the dtype of the trainer."""
    assert 0 < gpu_memory_utilization < 1
    assert enable_sleep_mode
    if RecordingEngine.started is None:
        RecordingEngine.started = RecordingEngine(**options, enforce_eager=True, dtype="float32")
    return RecordingEngine.started


def main(record: str, *runs: str) -> None:
    gpu_build.keep_weights_as_on_gpus()
    processes.measure_gpu_bytes = lambda: GPU_BYTES
    vllm_generation.LLM = start_engine
    originals = {name: getattr(workarounds, name) for name in LEFT_OUT}
    recorded = []
    for run in map(json.loads, runs):
        for name, original in originals.items():
            setattr(workarounds, name, LEFT_OUT[name] if name in run["stock"] else original)
        RecordingEngine.prompts.clear()
        code = run_training(run["arguments"])
        assert RecordingEngine.started
        recorded.append({"code": code, **RecordingEngine.started.describe_prompt()})
    Path(record).write_text(json.dumps(recorded))


if __name__ == "__main__":
    main(*sys.argv[1:])
