"""`zoomin-train` in one of several processes on this machine's processor, sharded by an accelerate configuration.

    python -m tests.support.processes.sharded_run infra/accelerate/eight_gpus_fsdp2.yaml sft MODEL ...

accelerate shards where it finds GPUs. Here it is told that it may, and given what the configuration says; all that
follows is its own: FSDP2 over gloo. With HOLD_AFTER_STEP, fine-tuning goes no further than that step, so that whoever
kills it finds it there.
"""

import os
import sys
import threading
from pathlib import Path

import yaml
from accelerate import DistributedType
from accelerate.state import AcceleratorState
from accelerate.utils import FullyShardedDataParallelPlugin
from transformers import TrainerState

from training.__main__ import main
from training.sft.journal import SftJournal

HOLD = "HOLD_AFTER_STEP"


def shard(configuration: Path) -> None:
    said = yaml.safe_load(configuration.read_text())["fsdp_config"]
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": str(said["fsdp_version"])}
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=said["fsdp_version"],
        auto_wrap_policy=said["fsdp_auto_wrap_policy"],
        transformer_cls_names_to_wrap=said["fsdp_transformer_layer_cls_to_wrap"].split(","),
        reshard_after_forward=said["fsdp_reshard_after_forward"],
        cpu_ram_efficient_loading=said["fsdp_cpu_ram_efficient_loading"],
        state_dict_type=said["fsdp_state_dict_type"],
    )
    begin = AcceleratorState.__init__

    def begin_sharded(self: AcceleratorState, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, plugin

    AcceleratorState.__init__ = begin_sharded  # type: ignore[method-assign]


def hold_after(step: int) -> None:
    write = SftJournal.on_log

    def write_and_hold(self: SftJournal, args: object, state: TrainerState, *rest: object, **more: object) -> None:
        write(self, args, state, *rest, **more)
        if state.global_step >= step:
            threading.Event().wait()

    SftJournal.on_log = write_and_hold  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    shard(Path(sys.argv[1]))
    if HOLD in os.environ:
        hold_after(int(os.environ[HOLD]))
    sys.exit(main(sys.argv[2:]))
