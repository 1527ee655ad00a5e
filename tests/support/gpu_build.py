"""Behaviour of vLLM's GPU builds on a machine that has only its CPU build."""

import os

from vllm.config import VllmConfig
from vllm.platforms.cpu import CpuPlatform

START_METHOD = "VLLM_WORKER_MULTIPROC_METHOD"


def choose_start_method_as_on_gpus() -> None:
    """Let the environment alone choose how vLLM starts processes: its CPU platform otherwise always spawns them."""
    check_config = CpuPlatform.check_and_update_config

    def check_and_restore(config: VllmConfig) -> None:
        method = os.environ.pop(START_METHOD, None)
        check_config(config)
        os.environ.pop(START_METHOD, None)
        if method is not None:
            os.environ[START_METHOD] = method

    CpuPlatform.check_and_update_config = staticmethod(check_and_restore)
