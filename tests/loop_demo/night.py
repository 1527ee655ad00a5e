"""The night of a loop, and the challenger that its gate has to refuse: configurations and commands."""

import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

from tests.loop_demo.labels import BUCKET
from tests.loop_demo.plan import SETS, LoopDemoPlan
from tests.loop_demo.site import ADDRESS, LoopSite

WEIGHTS = "model.safetensors"


def write_night_config(plan: LoopDemoPlan, site: LoopSite) -> Path:
    """Write the night's YAML, and the demands of its gate into a file of their own; return the path of the first."""
    night = plan.night
    gate = {"profile": "demo", **night.demands}
    locate_gate_config(plan).write_text(yaml.safe_dump(gate))
    config: dict[str, Any] = {
        "labels": BUCKET,
        "base": str(site.base),
        "snapshots": f"s3://{SETS}/nights",
        "models": ADDRESS,
        "work": str(plan.out / "nights"),
        "start": "champion",
        "least_new_labels": night.least_new_labels,
        "stages": ["sft"],
        "snapshot": {"base_share": night.base_share, "golden_fraction": night.golden_fraction, "least": 4},
        "sft": {"profile": "tiny", **night.sft},
        # The set of a night this short has too few validation images to fit to.
        "calibrate": {"data": str(site.calibration), "count": night.calibration},
        "evaluate": {"count": night.evaluated},
        "gate": gate,
        "smoke_images": night.smoke_images,
    }
    file = plan.out / "night.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def locate_gate_config(plan: LoopDemoPlan) -> Path:
    return plan.out / "gate.yaml"


def damage_weights(champion: Path, directory: Path, *, noise: float, seed: int = 0) -> Path:
    """Copy a checkpoint, and add noise to each matrix of its weights: `noise` of the matrix's own deviation."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(champion, directory)
    generator = torch.Generator().manual_seed(seed)
    damaged = {}
    for name, weight in load_file(directory / WEIGHTS).items():
        drawn = torch.randn(weight.shape, generator=generator) * weight.float().std() * noise
        damaged[name] = (weight.float() + drawn).to(weight.dtype) if weight.ndim > 1 else weight
    (directory / WEIGHTS).unlink()
    save_file(damaged, directory / WEIGHTS, metadata={"format": "pt"})
    return directory
