"""Run as the process of one front: answers the worker's queries as one of several clients of vLLM's core.

It tokenizes, preprocesses images, sends both to the core and decodes the answers, so that the worker's process has the
interpreter for itself. It ends when their socket closes, and with the worker's process.
"""

import asyncio
import os
import socket
import traceback
from typing import TYPE_CHECKING

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.calls import answer_calls
from pipeline.vllm.core_client import CoreClient
from pipeline.vllm.frames import READ_BUFFER_BYTES
from pipeline.vllm.options import EngineOptions, FrontPlace, build_arguments
from pipeline.vllm.parent_watchdog import end_with_parent
from pipeline.vllm.rendering import Renderer

if TYPE_CHECKING:
    from vllm.v1.engine.async_llm import AsyncLLM


def run_front(checkpoint: Checkpoint, options: EngineOptions, place: FrontPlace, worker: socket.socket) -> None:
    """Serve until the worker closes the socket."""
    end_with_parent()
    try:
        asyncio.run(_serve(checkpoint, options, place, worker))
    except BaseException:  # noqa: BLE001 - the process ends with it
        traceback.print_exc()
        os._exit(1)  # a normal exit would wait for threads of vLLM, with our socket still open


async def _serve(checkpoint: Checkpoint, options: EngineOptions, place: FrontPlace, worker: socket.socket) -> None:
    renderer = Renderer(checkpoint, max_model_len=options.max_model_len)
    llm = _connect_llm(checkpoint, options, renderer, place)
    client = CoreClient(renderer, llm, reuse=options.reuse)
    if place.index == 0:
        await client.watch_parent(os.getppid())
    reader, writer = await asyncio.open_connection(sock=worker, limit=READ_BUFFER_BYTES)
    await answer_calls(client, reader, writer)
    os._exit(0)  # a normal exit would wait for threads of vLLM; the core is ended by the worker's process


def _connect_llm(checkpoint: Checkpoint, options: EngineOptions, renderer: Renderer, place: FrontPlace) -> "AsyncLLM":
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = build_arguments(checkpoint, options, renderer.max_model_len)
    arguments._api_process_count, arguments._api_process_rank = options.fronts, place.index
    return AsyncLLM.from_vllm_config(
        arguments.create_engine_config(),
        client_addresses={"input_address": place.input_address, "output_address": place.output_address},
        client_count=options.fronts,
        client_index=place.index,
    )
