import pytest

from pipeline import machine as this_machine
from pipeline.errors import BadSettings
from training.common.machine import GIB, Gpus, Machine, refuse_cpu_build


def test_a_machine_is_named_by_the_gpus_that_are_used() -> None:
    assert Machine(("NVIDIA H100 80GB HBM3",) * 8, 79 * GIB).describe(used=2, threads=7) == "2 x NVIDIA H100 80GB HBM3"


def test_without_gpus_it_is_named_by_its_cpu_and_threads() -> None:
    assert Machine((), 0).describe(used=1, threads=7).endswith(", 7 threads")


def test_a_part_of_the_memory_is_left_free() -> None:
    assert Gpus(8, 80 * GIB, 1024 * GIB).usable_bytes / GIB == pytest.approx(76)
    gpus = Gpus(8, 80 * GIB, 1024 * GIB)
    assert gpus.usable_host_bytes / GIB == pytest.approx(972.8)
    assert str(gpus) == "8 GPUs of 80.0 GiB"
    assert gpus.describe_machine() == "8 GPUs of 80.0 GiB in a machine of 1024 GiB"


def test_the_gpus_of_a_machine_are_those_to_plan_on() -> None:
    assert Machine(("A100",) * 4, 40 * GIB - 1).gpus == Gpus(4, 40 * GIB - 1, this_machine.read_memory_bytes())
    assert Machine((), 0).gpus is None


def test_gpus_beside_a_cpu_build_of_vllm_are_refused_with_the_environment_to_make() -> None:
    gpus = Machine(("H100",), 80 * GIB)
    with pytest.raises(BadSettings, match=r"\(H100\) and vLLM is its CPU build .*make environment PINS=gpu"):
        refuse_cpu_build(gpus, cpu_build=True)
    refuse_cpu_build(gpus, cpu_build=False)
    refuse_cpu_build(Machine((), 0), cpu_build=True)
