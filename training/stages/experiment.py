"""The experiment, top to bottom: for each seed a start, then the arms, each judged from its published directory.

Invariant: each step leaves its result in `OUT` whole or not at all, so a killed run repeats at most the step it was in,
and a training goes on from its last checkpoint. The result is published again after each judged arm, with all arms
that earlier runs have judged in `OUT`, also those that this run does not name.
"""

import fcntl
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from training.common import provenance
from training.common.progress import format_duration
from training.engine.run import OnEngine, run_on_engine
from training.evaluation.metrics import Prediction
from training.runs import publishing
from training.runs.run_log import Line
from training.settings import TrainSettings
from training.stages import judging, results, start, training
from training.stages.arms import CONTROL, START, order_arms
from training.stages.judging import Judge, JudgedArm
from training.stages.plan import StagesPlan
from training.stages.results import Trained
from training.stages.results_file import Effort, StagesResult
from training.stages.training import TrainedArm

LOCK_NAME = "lock"
Logs = Mapping[str, list[Line]]
"""logged steps by the title of their plot"""
Publish = Callable[[StagesResult, Logs], None]


def run_experiment(
    plan: StagesPlan, settings: TrainSettings, publish: Publish, on_engine: OnEngine = run_on_engine
) -> StagesResult:
    """Train and judge what is missing; `publish` gets the result after each judged arm.

    Raises: BadSettings when the directory belongs to another run; TrainingFailed, EngineDead.
    """
    if plan.start is not None:
        start.refuse_other_model(plan.start)
    if set(plan.arms) == {CONTROL} and not math.isfinite(plan.minutes):
        raise BadSettings("the control trains for the time of the other arms, and there is none; give --minutes")
    plan.out.mkdir(parents=True, exist_ok=True)
    with _lock_directory(plan.out):
        publishing.write_run_config(plan.out, plan.to_json())
        return _Experiment(plan, settings, Judge(plan.out / "predictions", plan.scenes, settings, on_engine)).run(
            publish
        )


@contextmanager
def _lock_directory(directory: Path) -> Iterator[None]:
    """Hold the directory; the lock of a killed run is gone with its process. Raises: BadSettings."""
    with (directory / LOCK_NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadSettings(f"another run works in {directory}; wait for it, or name another --out") from error
        yield


class _Experiment:
    """The results of the arms, which grow as the run goes on."""

    def __init__(self, plan: StagesPlan, settings: TrainSettings, judge: Judge) -> None:
        self._plan = plan
        self._settings = settings
        self._judge = judge
        self._starts: dict[int, Checkpoint] = {}
        self._predictions: dict[str, dict[int, dict[str, list[Prediction]]]] = {}
        self._efforts: dict[str, dict[int, Effort]] = {}
        self._logs: dict[str, list[Line]] = {}
        self._engine = ""

    def run(self, publish: Publish) -> StagesResult:
        """Run every job of the plan in order."""
        self._collect_judged()
        jobs, took_s = self._plan.list_jobs(), list[tuple[str, float]]()
        for number, (seed, arm) in enumerate(jobs, start=1):
            left_s = self._plan.estimate_left_s([name for _, name in jobs[number - 1 :]], took_s)
            left = f"about {format_duration(left_s)} left"
            print(f"{number} of {len(jobs)}, seed {seed}, {arm}: {left}", file=sys.stderr)
            began = time.monotonic()
            self._judge_arm(seed, arm)
            took_s.append((arm, time.monotonic() - began))
            publish(self._build_result(), self._logs)
        return self._build_result()

    def _collect_judged(self) -> None:
        for arm in judging.read_judged(self._plan.out):
            predictions = self._judge.find(arm.revision)
            if predictions is not None:
                self._add(arm, predictions)

    def _add(self, arm: JudgedArm, predictions: dict[str, list[Prediction]]) -> None:
        self._predictions.setdefault(arm.name, {})[arm.seed] = predictions
        if arm.effort is not None:
            self._efforts.setdefault(arm.name, {})[arm.seed] = arm.effort
        self._logs |= {f"seed {arm.seed}, {arm.name}, {phase}": lines for phase, lines in arm.logs.items() if lines}

    def _judge_arm(self, seed: int, name: str) -> None:
        if name == START:
            checkpoint = self._prepare_start(seed)
            arm = JudgedArm(seed=seed, name=name, revision=checkpoint.revision)
        else:
            trained = self._train(seed, name)
            checkpoint = trained.checkpoint
            arm = JudgedArm(
                seed=seed, name=name, revision=checkpoint.revision, effort=trained.effort, logs=trained.logs
            )
        predictions, self._engine = self._judge.predict(checkpoint)
        self._add(arm, predictions)
        judging.store_judged(self._plan.out, arm)

    def _prepare_start(self, seed: int) -> Checkpoint:
        self._starts[seed] = start.prepare_start(self._plan, seed, self._settings)
        return self._starts[seed]

    def _train(self, seed: int, name: str) -> TrainedArm:
        grpo_minutes = [
            efforts[seed].minutes for arm, efforts in self._efforts.items() if arm != CONTROL and seed in efforts
        ]
        return training.train_arm(
            self._plan, self._settings, seed, name, start=self._starts[seed], grpo_minutes=grpo_minutes
        )

    def _build_result(self) -> StagesResult:
        trained = {
            arm: Trained(self._predictions[arm], self._efforts.get(arm, {}))
            for arm in (START, *order_arms(self._predictions))
        }
        arms = results.summarize_arms(trained)
        return StagesResult(
            commit=provenance.read_commit(provenance.CHECKOUT),
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            engine=self._engine,
            start=self._plan.describe_start(),
            start_note=results.describe_start(arms[START]),
            plan=self._plan.to_json(),
            seeds=sorted(self._predictions[START]),
            arms=arms,
            claims=results.decide_claims(trained),
        )
