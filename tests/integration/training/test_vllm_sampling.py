"""vLLM as the sampler of GRPO: the real engine and TRL's real trainer in one process, on a CPU."""

import json
from itertools import groupby
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests.support.paths import MODEL
from tests.support.processes.warm_processes import WarmServer
from tests.support.training_runs import TIMEOUT_S, read_log
from training.qwen import tokens

MODULE = "tests.support.processes.colocated_vllm"
# Query 2 with annotated crops of four scenes, all of them in each step. The answers are diverse enough to be rewarded
# differently, and the rate moves the weights far.
OPTIONS = (
    *("--profile", "tiny", "--stage", "2", "--generation", "vllm_colocate", "--steps", "2", "--kept", "last"),
    *("--prompts", "4", "--generations", "2", "--micro-batch", "8", "--learning-rate", "3e-3", "--warm-up-steps", "1"),
    *("--own-boxes-fraction", "0", "--scan-fraction", "0", "--validation-images", "2", "--validate-every", "100"),
    *("--temperature", "1.5"),
)


@pytest.mark.timeout(1200)
def test_trl_s_faults_with_images_are_worked_around_and_what_diverges_is_refused(
    warm_server: WarmServer, split_scenes: Path, tmp_path: Path
) -> None:
    """Each run refuses one fault or has both worked around; without a fault in TRL, its run would not be refused.

    The runs share one engine. It has seen the images under the weights of the second run when the third one starts.
    """

    def build_run(out: str, *stock: str) -> str:
        arguments = ["grpo", str(MODEL), "--data", str(split_scenes), "--out", str(tmp_path / out), *OPTIONS]
        return json.dumps({"arguments": arguments, "stock": stock})

    record = tmp_path / "record.json"
    runs = (
        build_run("right", "collapse_image_runs"),  # huggingface/trl#6294
        build_run("right"),
        build_run("stale", "forget_image_features"),  # huggingface/trl#7198
    )
    process = warm_server.start(MODULE, str(record), *runs)
    assert process.wait(TIMEOUT_S) == 0, process.errors
    expanded_twice, right, stale = json.loads(record.read_text())

    assert (expanded_twice["code"], right["code"], stale["code"]) == (1, 0, 1), process.errors
    assert process.errors.count("other prompts or weights than those that are trained") == 2
    assert "no checkpoint was written yet" in process.errors
    assert (len(expanded_twice["given"]), len(expanded_twice["expanded"])) == (226, 298)
    assert len(right["given"]) == 154
    assert right["expanded"] == expanded_twice["given"], "vLLM makes the trainer's ids of them"
    assert right["places"] == find_image_runs(right["expanded"])

    steps = read_log(tmp_path / "right" / "grpo")
    assert len(steps) == 2
    assert steps[0]["grad_norm"] > 0, "the second step's answers come from weights that have moved"
    assert max(step["sampling_logp_difference"] for step in steps) < 0.02


def find_image_runs(ids: list[int]) -> list[list[int]]:
    """Return offset and length of each run of image tokens."""
    pad = AutoTokenizer.from_pretrained(MODEL).convert_tokens_to_ids(tokens.IMAGE_PAD)
    runs, offset = [], 0
    for token, run in groupby(ids):
        length = len(list(run))
        runs += [[offset, length]] * (token == pad)
        offset += length
    return runs
