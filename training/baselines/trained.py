"""A trained baseline on disk: its weights, and how it was trained; the latter is written last."""

import hashlib
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pipeline.checkpoint import Scaling
from pipeline.errors import BadSettings
from training.baselines import networks
from training.baselines.run_config import BaselineRun
from training.common.journal import build_key

NAME, WEIGHTS = "detector.json", "weights.safetensors"


class TrainedBaseline(BaseModel):
    """The run, the images that it learned from by digest, and how far it came in `seconds` of drawing and training.

    `scaling` calibrates its answers about whole images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    run: BaselineRun
    images: int
    trained_on: str
    steps: int
    seconds: float
    threads: int
    scaling: Scaling
    commit: str


def is_trained(directory: Path) -> bool:
    return (directory / NAME).exists()


def write_baseline(directory: Path, network: nn.Module, trained: TrainedBaseline) -> None:
    save_file({name: weight.contiguous() for name, weight in network.state_dict().items()}, directory / WEIGHTS)
    (directory / NAME).write_text(trained.model_dump_json(indent=2) + "\n")


def digest_baseline(directory: Path) -> str:
    """Return the digest of all that a baseline's answers depend on."""
    return build_key(*(hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in (NAME, WEIGHTS)))


def read_baseline(directory: Path, device: torch.device) -> tuple[TrainedBaseline, nn.Module]:
    """Read a baseline for scoring. Raises: BadSettings when the directory holds none that can be read."""
    if not is_trained(directory):
        raise BadSettings(
            f"no trained baseline in {directory}; train one with `zoomin-train baseline npr --out {directory}`"
        )
    try:
        trained = TrainedBaseline.model_validate_json((directory / NAME).read_bytes())
        network = networks.build_network(trained.run.kind, trained.run.backbone)
        network.load_state_dict(load_file(directory / WEIGHTS))
    except (ValidationError, SafetensorError, RuntimeError, OSError) as error:
        raise BadSettings(
            f"{directory} holds a baseline that cannot be read ({str(error).splitlines()[0]}); train it again"
        ) from error
    return trained, network.to(device).eval()
