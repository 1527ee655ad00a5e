from training.common.machine import Machine


def test_a_machine_is_named_by_the_gpus_that_are_used() -> None:
    assert Machine(("NVIDIA H100 80GB HBM3",) * 8, 79.1).describe(used=2, threads=7) == "2 x NVIDIA H100 80GB HBM3"


def test_without_gpus_it_is_named_by_its_cpu_and_threads() -> None:
    assert Machine((), 0.0).describe(used=1, threads=7).endswith(", 7 threads")
