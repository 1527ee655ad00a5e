from dataclasses import replace

from training.common.machine import GIB, Gpus
from training.dry_run import step
from training.dry_run.step import DryStep
from training.dry_run.step_memory import MemoryPlan, RunMemory

STEP = DryStep(
    title="sft",
    command=["zoomin-train", "sft", "my model"],
    reads=["my model", "set"],
    writes=["out"],
    values={"rows": 64},
    loads="0.01 billion parameters in float32, on one GPU",
    memory=RunMemory(
        MemoryPlan({"step": {"weights": 3 * GIB, "gradients": GIB}}), MemoryPlan({"load": {"weights": 6 * GIB}})
    ),
    gpus_used=1,
    gpu_limit_bytes=2 * GIB,
    notes=["it is a " + "long " * 30 + "note"],
    refusal="it needs 4.0 GiB",
)
GPUS = Gpus(2, 2 * GIB, 10 * GIB)


def test_the_first_line_says_verdict_and_peaks_and_the_next_ones_command_and_model() -> None:
    first, second, third, *_ = step.format_step(STEP, GPUS).splitlines()
    assert first == ("sft: refused; at its peak it takes 4.0 of 2.0 GiB on one GPU and 6.0 of 9.5 GiB of the machine")
    assert second == "  $ zoomin-train sft 'my model'"
    assert third == "  loads    0.01 billion parameters in float32, on one GPU"


def test_a_step_without_a_model_says_that_it_needs_no_gpu() -> None:
    assert step.format_step(replace(STEP, memory=None, refusal=None), None).startswith("sft: ready, needs no GPU\n")


def test_several_gpus_are_counted() -> None:
    assert " on each GPU and " in step.format_step(replace(STEP, gpus_used=2), GPUS).splitlines()[0]
    assert " on each of 2 GPUs and " in step.format_step(replace(STEP, gpus_used=2), Gpus(4, GIB, GIB)).splitlines()[0]


def test_people_read_files_phases_and_the_refusal() -> None:
    text = step.format_step(STEP, GPUS)
    assert "reads    my model; set" in text
    assert "step       4.0 = weights 3.0 + gradients 1.0" in text
    assert "load       6.0 = weights 6.0" in text
    assert text.endswith("refused  it needs 4.0 GiB")


def test_long_lines_are_wrapped_but_for_what_is_copied() -> None:
    text = step.format_step(replace(STEP, values={f"value_{number}": number for number in range(40)}), GPUS)
    assert max(map(len, text.splitlines())) <= step.WIDTH


def test_programs_read_bytes() -> None:
    report = STEP.to_json()
    assert report["memory_bytes"] == {"step": {"weights": 3 * GIB, "gradients": GIB}}
    assert report["peak_bytes"] == 4 * GIB
    assert report["host_memory_bytes"] == {"load": {"weights": 6 * GIB}}
    assert report["host_peak_bytes"] == 6 * GIB
    assert (report["gpus_used"], report["gpu_limit_bytes"]) == (1, 2 * GIB)
    assert report["refusal"] == "it needs 4.0 GiB"
