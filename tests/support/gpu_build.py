"""Behaviour of vLLM's GPU builds on a machine that has only its CPU build."""

import os

import torch
from vllm.config import VllmConfig
from vllm.model_executor.layers import utils as layer_utils
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


def keep_weights_as_on_gpus() -> None:
    """Leave weights in the form in which new ones can replace them: the CPU platform otherwise packs them."""

    def leave(layer: torch.nn.Module, remove_weight: bool) -> None:
        del remove_weight
        layer.__dict__["cpu_linear"] = torch.nn.functional.linear  # a function is no submodule

    layer_utils.dispatch_cpu_unquantized_gemm = leave
