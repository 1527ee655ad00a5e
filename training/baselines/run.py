"""The training of a baseline from random weights to its directory, top to bottom.

Resumable: `OUT/state.pt` holds what a killed run goes on from, with the time that it has spent, and the number of a
step seeds its crops. The last weights are written; no step is chosen by looking at other images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from pipeline.errors import BadSettings
from training.baselines import calibration, crops, networks, trained
from training.baselines.crops import TrainingImages
from training.baselines.run_config import BaselineRun
from training.baselines.scoring import Scorer
from training.baselines.trained import TrainedBaseline
from training.common import provenance
from training.common.progress import Progress
from training.common.whole_file import write_whole
from training.dataset import faults
from training.runs import publishing, resuming, run_log
from training.runs.budget import Clock
from training.runs.run_log import RunLog
from training.synthetic import scene_files

STATE, LOG, PLOT = "state.pt", "log.jsonl", "log.png"
SAVE_EVERY_S = 60.0
LOG_EVERY_STEPS = 10
RAMP_STEPS = 30
WEIGHT_DECAY = 1e-2


class BaselineTrainer:
    """The network, the optimizer and the step count, which a state file holds whole."""

    def __init__(self, run: BaselineRun, images: TrainingImages) -> None:
        torch.manual_seed(run.seed)
        self._run = run
        self._images = images
        self._device = networks.choose_device()
        self.network = networks.build_network(run.kind, run.backbone).to(self._device).train()
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=run.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.step = 0

    def train_step(self, fraction: float) -> dict[str, float]:
        """Train one step at `fraction` of the run; return its metrics by the names of the log's."""
        rate = self._run.learning_rate * compute_rate(fraction, self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        pixels, labels = crops.draw_batch(
            self._images,
            np.random.default_rng([self._run.seed, self.step]),
            batch=self._run.batch,
            crop_px=self._run.crop_px,
            augmented_fraction=self._run.augmented_fraction,
        )
        truth = torch.from_numpy(labels).to(self._device)
        logits = self.network(networks.normalize(pixels, self._device))
        loss = functional.binary_cross_entropy_with_logits(logits, truth)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.step += 1
        accuracy = ((logits > 0) == (truth > 0)).float().mean()
        return {"detector/loss": loss.item(), "detector/accuracy": accuracy.item(), "learning_rate": rate}

    def save(self, path: Path, elapsed_s: float) -> None:
        state = {
            "step": self.step,
            "elapsed_s": elapsed_s,
            "network": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        with (
            resuming.translate_write_errors(f"the state of step {self.step}", f"{path} stays as it was"),
            write_whole(path) as unfinished,
        ):
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True, map_location=self._device)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])


def compute_rate(fraction: float, step: int) -> float:
    """Return the share of the learning rate: a ramp of some steps, and linearly to zero at the end of the run."""
    return min(1.0, (step + 1) / RAMP_STEPS) * max(0.0, 1 - fraction)


@dataclass(frozen=True, slots=True)
class BaselinePlaces:
    """The directory of the result, and the set to learn from; None: scenes, which the cache holds."""

    out: Path
    data: Path | None
    cache: Path


def train_baseline(run: BaselineRun, places: BaselinePlaces, *, threads: int, workers: int) -> TrainedBaseline:
    """Train and write the directory; a killed run of the same values goes on. Raises: BadSettings, TrainingFailed."""
    if trained.is_trained(places.out):
        raise BadSettings(f"{places.out} holds a trained baseline; name another directory with --out")
    state = places.out / STATE
    elapsed_s = float(torch.load(state, weights_only=True)["elapsed_s"]) if state.exists() else 0.0
    clock = Clock(elapsed_s)  # before the scenes: the run's minutes hold their drawing too
    torch.set_num_threads(threads)
    data = places.data or scene_files.cache_scenes(
        places.cache, first_seed=run.first_scene, count=run.scenes, workers=workers
    )
    images = crops.read_training_images(data)
    if places.data and not state.exists():  # our own scenes need no check
        faults.refuse_unusable(data, images.entries)
    digest = publishing.digest_entries(images.entries)
    places.out.mkdir(parents=True, exist_ok=True)
    publishing.write_run_config(places.out, {**run.model_dump(), "trained_on": digest})
    trainer = BaselineTrainer(run, images)
    if state.exists():
        trainer.load(state)
    train_to_the_end(trainer, run, clock, places.out)
    seconds = round(clock.elapsed_s, 1)
    result = TrainedBaseline(
        run=run,
        images=len(images.entries),
        trained_on=digest,
        steps=trainer.step,
        seconds=seconds,
        threads=threads,
        scaling=calibration.fit_whole_images(Scorer(trainer.network.eval(), networks.choose_device()), places.data),
        commit=provenance.read_commit(provenance.CHECKOUT),
    )
    with resuming.translate_write_errors(f"the weights in {places.out}", f"{state} stays"):
        trained.write_baseline(places.out, trainer.network, result)
    state.unlink(missing_ok=True)
    return result


def train_to_the_end(trainer: BaselineTrainer, run: BaselineRun, clock: Clock, out: Path) -> None:
    """Train until the run's minutes are over; write a line of the log every ten steps, and the state every minute."""
    title = f"training {networks.TITLES[run.kind]}"
    log, progress = RunLog(out / LOG), Progress(title, 1.0)
    log.truncate_after(trainer.step)
    began_s = saved_s = clock.elapsed_s
    recent: list[dict[str, float]] = []
    while (fraction := clock.elapsed_s / (run.minutes * 60)) < 1 or trainer.step == 0:
        recent.append(trainer.train_step(min(1.0, fraction)))
        if trainer.step % LOG_EVERY_STEPS == 0:
            now_s = clock.elapsed_s
            means = {name: float(np.mean([metrics[name] for metrics in recent])) for name in recent[0]}
            line = log.add(trainer.step, means | {"step_time": (now_s - began_s) / len(recent)})
            recent, began_s = [], now_s
            note = f"loss {line['loss']:.3f}, {line['accuracy']:.0%} of the crops right, {line['step_s']:.2f} s a step"
            progress.show(min(1.0, fraction), f"step {trainer.step}, {note}")
        if clock.elapsed_s - saved_s > SAVE_EVERY_S:
            saved_s = clock.elapsed_s
            trainer.save(out / STATE, saved_s)
    progress.show(1.0, f"{trainer.step} steps")
    if lines := log.read():
        run_log.plot_log(lines, title).save(out / PLOT)
