"""Plugin of coverage: pauses the measurement while libraries are imported, and in some of their longest functions.

No code of ours runs there, and Python 3.11 traces each line of it all the same: importing what `zoomin-train` needs
takes a process 24 seconds of CPU time, and 36 if it is traced.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

OURS = frozenset({"pipeline", "worker", "training", "tests"})
UNMEASURED: Mapping[str, str] = {
    "transformers.generation.utils": "GenerationMixin.generate",
    "transformers.modeling_utils": "PreTrainedModel.from_pretrained",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration.forward",
    "transformers.processing_utils": "ProcessorMixin.from_pretrained",
    "transformers.tokenization_utils_base": "PreTrainedTokenizerBase.from_pretrained",
    "vllm.v1.engine.async_llm": "AsyncLLM.from_engine_args",
    "vllm.v1.engine.core": "EngineCoreProc.run_engine_core",  # threads of ours in the core are measured
}
"""methods that call nothing of ours, by module"""

_execute = SourceFileLoader.exec_module


def coverage_init(registry: object, options: object) -> None:
    """Begin to pause; coverage calls this in each process before it measures."""
    del registry, options
    SourceFileLoader.exec_module = execute_module  # type: ignore[assignment]  # typeshed has its base class


def execute_module(loader: SourceFileLoader, module: ModuleType) -> None:
    """Execute the module's code as the loader does, measured only if it is ours."""
    if module.__name__.partition(".")[0] in OURS:
        _execute(loader, module)
        return
    pause_coverage(_execute)(loader, module)
    if (path := UNMEASURED.get(module.__name__)) is not None:
        pause_coverage_in(module, path)


def pause_coverage_in(module: ModuleType, path: str) -> None:
    """Replace the method `Class.method` of the module by one that is not measured."""
    owner, name = getattr(module, path.partition(".")[0]), path.partition(".")[2]
    method = vars(owner)[name]
    kind = type(method) if isinstance(method, (staticmethod, classmethod)) else None
    setattr(owner, name, kind(pause_coverage(method.__func__)) if kind else pause_coverage(method))


def pause_coverage(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same without a tracer."""

    @functools.wraps(function)
    def run_unmeasured(*args: object, **kwargs: object) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return run_unmeasured
