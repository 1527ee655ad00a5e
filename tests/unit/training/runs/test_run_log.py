from pathlib import Path

from training.runs import run_log
from training.runs.run_log import RunLog

SAID = {"reward": 1.25, "rewards/r_iou/mean": 0.5, "rewards/r_iou/std": 9.0, "kl": None, "boxes": 2.0, "epoch": 1.0}


def test_a_step_is_one_line_of_what_tells_how_it_goes(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    assert log.read() == []
    line = log.add(3, SAID)
    assert line == {"step": 3, "reward": 1.25, "r_iou": 0.5, "boxes": 2.0}
    assert log.read() == [line]


def test_a_reward_that_was_scaled_is_logged_without_its_scale(tmp_path: Path) -> None:
    line = RunLog(tmp_path / "log.jsonl").add(1, {"unscaled/r_iou": 0.25, "rewards/r_iou/mean": 0.5})
    assert line == {"step": 1, "r_iou": 0.25}


def test_a_run_that_goes_on_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.add(step, SAID)
    with log.path.open("a") as stream:
        stream.write('{"step": 4, "rew')  # killed here
    log.truncate_after(2)
    assert [line["step"] for line in log.read()] == [1, 2]
    assert log.path.read_text().count("\n") == 2


def test_the_picture_has_a_curve_for_each_figure() -> None:
    lines = [{"step": step, "reward": step / 10, "r_iou": 0.5} for step in range(1, 6)]
    drawn = run_log.plot_log(lines, "GRPO stage 1")
    assert drawn.width > run_log.COLUMNS * run_log.PANEL[0]
    curved = [x for x in range(drawn.width) if run_log.CURVE in {drawn.getpixel((x, y)) for y in range(drawn.height)}]
    assert curved[0] < run_log.PANEL[0] < curved[-1] < 2 * run_log.PANEL[0] + 3 * run_log.MARGIN_PX


def test_one_step_can_be_drawn() -> None:
    assert run_log.plot_log([{"step": 1, "reward": 1.0}], "short").height > run_log.PANEL[1]


def test_the_speed_of_a_run_is_that_of_its_steady_steps() -> None:
    lines = [{"step_s": step_s, "tokens_per_s": pace} for step_s, pace in ((9.0, 1.0), (1.0, 1000.0), (3.0, 2000.0))]
    assert run_log.summarize_speed(lines) == "3 steps, 2.00 s each, 1,750 tokens/s"
    assert run_log.summarize_speed(lines[:1]) == "1 steps, 9.00 s each, 1 tokens/s"
