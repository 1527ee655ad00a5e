"""`zoomin-train` in one of several processes on this machine's CPU, sharded by an accelerate configuration.

    python -m tests.support.processes.sharded_run infra/accelerate/eight_gpus_fsdp2.yaml sft MODEL ...

accelerate shards only on GPUs. `shard` makes it shard on the CPU with the values of the configuration; everything else
is accelerate's own: FSDP2 over gloo. With HOLD_AFTER_STEP, fine-tuning waits after that step, so that a test can kill
it there.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import yaml
from accelerate import DistributedType
from accelerate.state import AcceleratorState
from accelerate.utils import FullyShardedDataParallelPlugin
from transformers import TrainerState

from training.__main__ import main
from training.sft.journal import SftJournal

HOLD = "HOLD_AFTER_STEP"


def shard(configuration: Path) -> None:
    config = yaml.safe_load(configuration.read_text())["fsdp_config"]
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": str(config["fsdp_version"])}
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=config["fsdp_version"],
        auto_wrap_policy=config["fsdp_auto_wrap_policy"],
        transformer_cls_names_to_wrap=config["fsdp_transformer_layer_cls_to_wrap"].split(","),
        reshard_after_forward=config["fsdp_reshard_after_forward"],
        cpu_ram_efficient_loading=config["fsdp_cpu_ram_efficient_loading"],
        state_dict_type=config["fsdp_state_dict_type"],
    )
    begin = AcceleratorState.__init__

    def begin_sharded(self: AcceleratorState, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, plugin

    AcceleratorState.__init__ = begin_sharded


def hold_after(step: int) -> None:
    write = SftJournal.on_log

    def write_and_hold(self: SftJournal, args: Any, state: TrainerState, *rest: Any, **more: Any) -> None:
        write(self, args, state, *rest, **more)
        if state.global_step >= step:
            threading.Event().wait()

    SftJournal.on_log = write_and_hold  # type: ignore[method-assign]  # for this process alone


if __name__ == "__main__":
    shard(Path(sys.argv[1]))
    if HOLD in os.environ:
        hold_after(int(os.environ[HOLD]))
    sys.exit(main(sys.argv[2:]))
