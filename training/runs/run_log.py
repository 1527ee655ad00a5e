"""The log of a run, one JSON line a step, and a plot of its metrics over the steps."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.evidence import drawing

# The trainer's metrics that the log holds, with the log's names.
METRICS: Mapping[str, str] = {
    "reward": "reward",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "zero_variance_share",
    "kl": "kl",
    "entropy": "entropy",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "completions/mean_length": "tokens",
    "completions/max_length": "tokens_max",
    "completions/clipped_ratio": "truncated_share",
    "sampling/sampling_logp_difference/mean": "sampling_logp_difference",
    "boxes": "boxes",
    "step_time": "step_s",
    "tokens_per_s": "tokens_per_s",
    "detector/loss": "loss",
    "detector/accuracy": "accuracy",
}
REWARD_PREFIX, REWARD_SUFFIX = "rewards/r_", "/mean"
UNSCALED_PREFIX = "unscaled/r_"
"""of a reward's mean before the scale of its prompts; the log holds it in place of the trainer's"""
Line = dict[str, float]


@dataclass(frozen=True, slots=True)
class RunLog:
    """A file with one line a step."""

    path: Path

    def truncate_after(self, step: int) -> None:
        """Drop the lines after `step`, which a resumed run writes again."""
        lines = [line for line in self.read() if line["step"] <= step]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def add(self, step: int, trainer_metrics: Mapping[str, float | None]) -> Line:
        """Write the line of a step, and return it."""
        line: Line = {"step": step}
        for theirs, value in sorted(trainer_metrics.items(), key=lambda item: item[0].startswith(UNSCALED_PREFIX)):
            ours = METRICS.get(theirs) or _find_reward_name(theirs)
            if ours and value is not None:
                line[ours] = round(float(value), 6)
        with self.path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return line

    def read(self) -> list[Line]:
        """Return every complete line."""
        if not self.path.exists():
            return []
        return [line for text in self.path.read_text().splitlines() if (line := _parse(text))]


def _parse(text: str) -> Line | None:
    """Return None for a line that was cut when the run was killed."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return None


def summarize_speed(lines: Sequence[Mapping[str, float]]) -> str:
    """Return the speed of a run for users, without the slower first step."""
    steady = lines[1:] or lines
    seconds = sum(line["step_s"] for line in steady)
    tokens = sum(line["step_s"] * line["tokens_per_s"] for line in steady)
    return f"{len(lines)} steps, {seconds / len(steady):.2f} s each, {tokens / seconds:,.0f} tokens/s"


def _find_reward_name(theirs: str) -> str | None:
    if theirs.startswith(REWARD_PREFIX) and theirs.endswith(REWARD_SUFFIX):
        return theirs[len("rewards/") : -len(REWARD_SUFFIX)]
    if theirs.startswith(UNSCALED_PREFIX):
        return theirs[len("unscaled/") :]
    return None


PANEL = (300, 130)
COLUMNS = 3
MARGIN_PX = 14
TITLE_SIZE, LABEL_SIZE = 14, 11
INK, PALE, GROUND, CURVE = (30, 34, 40), (150, 156, 164), (255, 255, 255), (38, 99, 178)


def plot_log(lines: Sequence[Line], title: str) -> Image.Image:
    """Draw a panel for each metric, over the steps."""
    names = sorted({name for line in lines for name in line} - {"step"}, key=_rank_name)
    rows = -(-len(names) // COLUMNS)
    width, height = (side + MARGIN_PX for side in PANEL)
    canvas = Image.new("RGB", (COLUMNS * width + MARGIN_PX, rows * height + 3 * MARGIN_PX), GROUND)
    drawing.write_text(canvas, (MARGIN_PX, MARGIN_PX), title, TITLE_SIZE, fill=INK, bold=True)
    for number, name in enumerate(names):
        row, column = divmod(number, COLUMNS)
        points = [(line["step"], line[name]) for line in lines if name in line]
        _draw_panel(canvas, (MARGIN_PX + column * width, 3 * MARGIN_PX + row * height), name, points)
    return canvas


def _rank_name(name: str) -> tuple[bool, str]:
    return not name.startswith("r_"), name


def _draw_panel(canvas: Image.Image, at: tuple[int, int], name: str, points: Sequence[tuple[float, float]]) -> None:
    left, top, right, bottom = at[0], at[1] + 18, at[0] + PANEL[0], at[1] + PANEL[1] - 12
    low, high = min(value for _, value in points), max(value for _, value in points)
    scale_x = _build_scale(points[0][0], points[-1][0], left, right)
    scale_y = _build_scale(low, high, bottom, top)
    draw = ImageDraw.Draw(canvas)
    draw.line([(left, bottom), (right, bottom)], fill=PALE)
    path = [(scale_x(step), scale_y(value)) for step, value in points]
    draw.line(path, fill=CURVE, width=2, joint="curve")
    drawing.write_text(canvas, (left, at[1]), f"{name}  {points[-1][1]:.3g}", LABEL_SIZE, fill=INK, bold=True)
    ends = f"{low:.3g} to {high:.3g}, steps {points[0][0]:g} to {points[-1][0]:g}"
    drawing.write_text(canvas, (right, at[1]), ends, LABEL_SIZE, fill=PALE, anchor="ra")


def _build_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the function from values to pixels; a metric that never changes lies in the middle."""
    if high == low:
        return lambda _: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)
