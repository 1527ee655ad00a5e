"""The night of a loop, whole or with the steps alone that start no engine, and the challenger that a gate refuses."""

import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file

from pipeline.registry.address import ModelAddress, format_folder
from tests.loop_demo.labels import BUCKET
from tests.loop_demo.plan import MODEL, MODELS, SETS, LoopDemoPlan
from tests.loop_demo.site import ADDRESS, LoopSite

SNAPSHOTS = f"s3://{SETS}/nights"
BY = "loop-demo"
WEIGHTS = "model.safetensors"


def write_night_config(plan: LoopDemoPlan, site: LoopSite) -> Path:
    """Write the night's YAML, and the demands of its gate into a file of their own; return the path of the first."""
    night = plan.night
    gate = {"profile": "demo", **night.demands}
    locate_gate_config(plan).write_text(yaml.safe_dump(gate))
    config: dict[str, Any] = {
        "labels": BUCKET,
        "base": str(site.base),
        "snapshots": SNAPSHOTS,
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


def fetch_snapshot(plan: LoopDemoPlan, site: LoopSite, digest: str) -> Path:
    """Copy a snapshot of the nights to this machine; return its directory."""
    out = plan.out / "sets"
    site.commands.run("training", "snapshot", "--fetch", f"{SNAPSHOTS}/{digest}", "--out", str(out))
    return out / digest


def run_short_night(plan: LoopDemoPlan, site: LoopSite, champion: str) -> None:
    """Train on a snapshot, push and promote, by the commands for each; what a killed one has trained stays."""
    night, commands = plan.night, site.commands
    mix = ("--base", str(site.base), "--base-share", str(night.base_share))
    sizes = ("--golden-fraction", str(night.golden_fraction), "--least", "4")
    digest = commands.run_json("training", "snapshot", BUCKET, *mix, *sizes, "--out", SNAPSHOTS)["digest"]
    data, trained = fetch_snapshot(plan, site, digest), plan.out / "short-night" / digest / MODEL
    values = [word for name, value in night.sft.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    if not (trained / "config.json").exists():
        with site.fetch_revision(champion) as start:
            options = ("--data", str(data), "--out", str(trained), "--profile", "tiny", *values)
            commands.run("training", "sft", str(start), *options)
    origin = ("--parent", format_folder(champion), "--set", digest, "--by", BY)
    pushed = commands.run_json("training", "models", "push", ADDRESS, str(trained), *origin)
    promote(site, str(pushed["revision"]), "a short night, which no gate has judged")


def promote(site: LoopSite, revision: str, reason: str) -> None:
    address = str(ModelAddress(MODELS, MODEL, revision))
    site.commands.run("training", "models", "promote", address, "--reason", reason, "--by", BY)


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
