import argparse

from training.cli import values
from training.grpo.profiles import VALUES
from training.runs import profile_choice


def test_values_become_the_flags_that_give_them() -> None:
    changes = {"trained": "lora", "mask_truncated": False, "stage_rewards": (("iou", 1.0),), "micro_batch": 1}
    words = profile_choice.render_flags(changes)
    assert words == ["--lora", "--no-mask-truncated", "--stage-rewards", "iou=1", "--micro-batch", "1"]
    parser = argparse.ArgumentParser()
    values.add_profile(parser, VALUES, {})
    assert values.read_choice(parser.parse_args(words), VALUES).changes == changes
