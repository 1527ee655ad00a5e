from pathlib import Path

from training.gpu_check.plan import build_plan


def test_a_gpu_gets_the_whole_shape_and_full_pictures() -> None:
    plan = build_plan("7b", Path("work"), on_cpu=False, layers=None, tensor_parallel=1, minutes=10)
    assert plan.words is None
    assert (plan.layers, plan.in_flight, plan.answer_tokens) == (None, (1, 16, 256), 200)
    assert plan.build_card().scan_max_pixels == 512 * 512


def test_a_cpu_gets_two_layers_small_pictures_and_few_words() -> None:
    plan = build_plan("3b", Path("work"), on_cpu=True, layers=None, tensor_parallel=1, minutes=10)
    assert (plan.layers, plan.words, max(plan.in_flight)) == (2, 4096, 2)
    assert plan.build_card().scan_max_pixels == 112 * 112
