"""What our processes tell OpenMP, torch, vLLM and the hub client through the environment, before these are imported."""

import importlib.metadata


def process_environment(threads: int) -> dict[str, str]:
    """Names and values to set where the person has not; `threads` are OpenMP's, for each process."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads),
        # A thread that waits by spinning takes the core from a neighbour that it waits for: ten times slower when busy.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if is_cpu_build():
        # The CPU build then runs the model in the engine's core process itself, not in a second child that spins
        # against it: 40 to 50 % more requests/s on two cores.
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        # Its sampler would compile a kernel at the first query, and the engine dies where there is no C++ compiler.
        environment["TORCH_COMPILE_DISABLE"] = "1"
    return environment


def is_cpu_build() -> bool:
    """Whether the vLLM that is installed is the one for processors."""
    return any(True for _ in importlib.metadata.distributions(name="vllm-cpu"))
