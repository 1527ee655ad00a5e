"""Builds the options of all engines of the comparison: those of the worker's own engine."""

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.options import EngineOptions, build_arguments
from pipeline.vllm.rendering import Renderer
from tests.bench.run.job import SEQUENCES

IN_FLIGHT = 24
"""images at once, of the worker and of the server's client"""
OWN = ("worker_extension_cls", "disable_log_stats")
"""arguments that serve the worker, not the model"""


def build_peer_arguments(checkpoint: Checkpoint) -> tuple[Renderer, dict[str, object]]:
    """Return the renderer of the checkpoint and vLLM's arguments for it, as the worker's engine has them."""
    from vllm import EngineArgs

    options = EngineOptions(max_num_seqs=SEQUENCES, max_in_flight=IN_FLIGHT)
    renderer = Renderer(checkpoint, max_model_len=options.max_model_len)
    arguments = vars(build_arguments(checkpoint, options, renderer.max_model_len))
    names = EngineArgs.__dataclass_fields__
    return renderer, {name: value for name, value in arguments.items() if name in names and name not in OWN}
