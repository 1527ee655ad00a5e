"""Runs vLLM's OpenAI server with the options of the worker's engine: python -m tests.bench.peers.server MODEL PORT.

`vllm serve` is the same program, but does not start with the CPU build, whose package has another name.
"""

import sys
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from worker.common.settings import apply_process_environment

NAME = "zoomin"


def main() -> None:
    model, port = Path(sys.argv[1]), sys.argv[2]
    apply_process_environment()  # as the worker does, before vLLM is imported
    import uvloop
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.entrypoints.openai.api_server import run_server
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    from tests.bench.peers.options import build_peer_arguments

    place = ("--host", "127.0.0.1", "--port", port, "--served-model-name", NAME, "--disable-uvicorn-access-log")
    options = make_arg_parser(FlexibleArgumentParser()).parse_args(["--model", str(model), *place])
    _, arguments = build_peer_arguments(Checkpoint.read(model))
    for name in set(arguments) - {"model", "served_model_name"}:
        setattr(options, name, arguments[name])
    uvloop.run(run_server(options))


if __name__ == "__main__":
    main()
