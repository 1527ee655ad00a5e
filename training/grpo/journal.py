"""Work between the steps of a GRPO run: a line in the log and on the terminal, validation, and the end in time."""

from collections.abc import Callable

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.common.progress import Progress
from training.grpo.profiles import GrpoProfile
from training.runs.budget import Budget, Clock
from training.runs.run_log import Line, RunLog


class GrpoJournal(TrainerCallback):
    """Runs in every process, so that all end and validate at the same step; the first one shows and writes."""

    def __init__(
        self,
        profile: GrpoProfile,
        title: str,
        budget: Budget,
        clock: Clock,
        log: RunLog,
        validate: Callable[[int], None],
    ) -> None:
        self._profile = profile
        self._budget = budget
        self._clock = clock
        self._log = log
        self._validate = validate
        self._note = ""
        self._tokens_seen = 0
        self._progress = Progress(title, 1.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        del args, control
        self._tokens_seen = state.num_input_tokens_seen  # of earlier runs

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        del args
        progress = self._budget.measure_progress(state.global_step, self._clock.elapsed_s)
        if state.is_world_process_zero:
            self._progress.show(min(1.0, progress), f"step {state.global_step}{self._note}")
        control.should_training_stop = control.should_training_stop or progress >= 1
        if state.global_step % self._profile.validate_every == 0:
            self._validate(state.global_step)
        return control

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        del args, control
        if not logs or "reward" not in logs or not state.is_world_process_zero:
            return
        tokens, self._tokens_seen = state.num_input_tokens_seen - self._tokens_seen, state.num_input_tokens_seen
        speed = {"tokens_per_s": tokens / logs["step_time"]}
        self._note = _format_line(self._log.add(state.global_step, logs | speed))


def _format_line(line: Line) -> str:
    names = [name for name in line if name.startswith("r_")] + ["boxes", "zero_variance_share"]
    metrics = "".join(f", {name} {line[name]:.3f}" for name in names if name in line)
    return f"{metrics}, {line['step_s']:.2f} s a step, {line['tokens_per_s']:,.0f} tokens/s"
