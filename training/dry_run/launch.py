"""The launches of a run on the GPUs of a machine."""

from dataclasses import dataclass
from typing import Literal

from training.runs import processes

WHOLE_CONFIG = "infra/accelerate/eight_gpus.yaml"
SHARDED_CONFIG = "infra/accelerate/eight_gpus_fsdp2.yaml"
CONFIG_PROCESSES = 8
"""that both files start"""


@dataclass(frozen=True, slots=True)
class Launch:
    """The processes of a run, one for each GPU; each has the model `whole`, or a share of it (`sharded`)."""

    devices: int
    kind: Literal["whole", "sharded"] = "whole"

    @property
    def sharded(self) -> bool:
        return self.kind == "sharded"

    @property
    def shards(self) -> int:
        """Return the number of devices that share the weights."""
        return self.devices if self.sharded else 1

    def build_launcher(self) -> list[str]:
        """Return the words that start a verb of `zoomin-train` this way."""
        if self.devices == 1:
            return ["zoomin-train"]
        config = SHARDED_CONFIG if self.sharded else WHOLE_CONFIG
        count = [] if self.devices == CONFIG_PROCESSES else ["--num_processes", str(self.devices)]
        return ["accelerate", "launch", "--config_file", config, *count, "-m", "training"]

    def __str__(self) -> str:
        if self.devices == 1:
            return "on one GPU"
        return f"{self.kind} {'over' if self.sharded else 'on each of'} {self.devices} GPUs"


def list_launches(count: int) -> list[Launch]:
    """Return the ways to launch a run on so many GPUs, the fastest first."""
    return [Launch(1)] if count == 1 else [Launch(count), Launch(count, "sharded")]


def read_launch() -> Launch:
    """Return how this process was launched."""
    devices = processes.join_processes().num_processes
    return Launch(devices, "sharded" if processes.shards_weights() else "whole")
