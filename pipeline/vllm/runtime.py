"""Builds the environment that OpenMP, torch, vLLM and the hub client read when they are imported."""

import importlib.metadata


def build_process_environment(threads: int) -> dict[str, str]:
    """Return the variables to set where the user has not; each process uses `threads` OpenMP threads."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads),
        # A thread that waits by spinning takes the CPU core from the thread it waits for: ten times slower under load.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if is_cpu_build():
        # The CPU build then runs the model in the engine's core process itself, not in a second child that competes
        # with it for the CPU: 40 to 50 % more requests/s on two cores.
        environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        # Else its sampler compiles a kernel at the first query, and the engine dies if there is no C++ compiler.
        environment["TORCH_COMPILE_DISABLE"] = "1"
    return environment


def is_cpu_build() -> bool:
    """Return True if the CPU build of vLLM is installed."""
    return any(True for _ in importlib.metadata.distributions(name="vllm-cpu"))
