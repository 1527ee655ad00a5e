"""One client of vLLM's core in this process: renders queries, sends them with their images, and reads the answers.

The core is a child process, or a child of the process that started this one.
"""

import itertools
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine import Answer, Query
from pipeline.errors import BadSettings, EngineDead, GenerationFailed

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

    from pipeline.vllm.rendering import Renderer

SHUTDOWN_S = 2.0  # then vLLM kills its core; an idle core has nothing to finish
SEED = 0


class CoreClient:
    """Asks the core; it holds the processor cache, so both queries of an image belong to the same client."""

    def __init__(self, renderer: "Renderer", llm: "AsyncLLM", *, reuse: bool = True) -> None:
        self.renderer = renderer
        self.llm = llm
        self._reuse = reuse
        self._numbers = itertools.count()

    @property
    def dead(self) -> bool:
        """True within about a second after the core has ended, also while nobody asks: vLLM watches its process."""
        return bool(self.llm.errored)

    async def connect(self) -> None:
        """Let the core watch this process, its parent."""
        await self.watch_parent(os.getpid())

    async def watch_parent(self, parent: int) -> None:
        await self.llm.collective_rpc("watch_parent", args=(parent,))

    async def ask(self, query: Query, temperature: float) -> Answer:
        """Ask the model one query; cancelling the call frees the engine's request.

        Raises: GenerationFailed, EngineDead.
        """
        prompt: dict[str, object] = {
            "prompt_token_ids": self.renderer.render_prompt(query),
            "multi_modal_data": {"image": [image.pixels for image in query.images]},
        }
        if self._reuse:  # else no names: with its caches off, vLLM recognises no image a second time
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
            text=query.answer_start + self.renderer.decode_answer(completion.token_ids),
            p_generated=self.renderer.verdicts.compute_p_generated(logprobs),
            truncated=completion.finish_reason == "length",
            prompt_tokens=len(output.prompt_token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            answer_tokens=len(completion.token_ids),
        )

    async def check(self) -> None:
        """Return if the core lives and its answers are read. Raises: EngineDead if not."""
        if self.dead:
            raise EngineDead("the engine's core process died")

    async def sleep(self) -> None:
        await self.llm.sleep()

    async def wake_up(self) -> None:
        await self.llm.wake_up()

    async def reload_weights(self, path: Path) -> None:
        """Serve other weights. The caches go first: they hold what the old weights computed.

        Raises: BadSettings if they cannot be loaded; EngineDead.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self.llm.pause_generation(mode="wait", clear_cache=True)
            try:
                await self.llm.collective_rpc("reload_weights", kwargs={"weights_path": str(path)})
            finally:
                await self.llm.resume_generation()
        except EngineDeadError as error:
            raise EngineDead("the engine's core process died while it loaded weights") from error
        except Exception as error:  # of any class: it comes from the loader
            raise BadSettings(f"the engine cannot load the weights in {path}: {take_first_line(error)}") from error

    async def stop(self) -> None:
        """Stop reading answers: vLLM would report the core's end as a crash, with a traceback."""
        if self.llm.output_handler is not None:
            self.llm.output_handler.cancel()

    def shutdown(self) -> None:
        """End the core, and wait until it is gone."""
        self.llm.shutdown(SHUTDOWN_S)

    def _build_sampling_params(self, query: Query, temperature: float) -> "SamplingParams":
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

        verdicts = self.renderer.verdicts
        return SamplingParams(
            temperature=temperature,
            seed=SEED if temperature else None,
            max_tokens=query.max_tokens,
            structured_outputs=StructuredOutputsParams(regex=query.grammar),
            logprob_token_ids=[verdicts.real, verdicts.generated],
            output_kind=RequestOutputKind.FINAL_ONLY,
            # For each token, decoding it and its log-probabilities would cost this process three times as much as the
            # rest of the token's way: the answer is decoded once, at its end.
            detokenize=False,
            flat_logprobs=True,
        )

    async def _generate(self, prompt: Mapping[str, object], params: "SamplingParams") -> "RequestOutput | None":
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            return await _take_last_output(self.llm.generate(prompt, params, f"q{next(self._numbers)}"))
        except EngineDeadError as error:
            raise EngineDead("the engine's core process died") from error
        except (VLLMError, ValueError, RuntimeError) as error:
            reason = take_first_line(error.__cause__ or error)
            raise GenerationFailed(f"the engine refused the query: {reason}") from error


async def _take_last_output(outputs: "AsyncIterator[RequestOutput]") -> "RequestOutput | None":
    last_output = None
    async for output in outputs:
        last_output = output
    return last_output if last_output is not None and last_output.outputs[0].logprobs else None


def take_first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
