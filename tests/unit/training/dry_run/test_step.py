from training.common.machine import GIB, Gpus
from training.dry_run import step
from training.dry_run.step import DryStep
from training.dry_run.step_memory import MemoryPlan

STEP = DryStep(
    title="sft",
    command=["zoomin-train", "sft", "my model"],
    reads=["my model", "set"],
    writes=["out"],
    values={"rows": 64},
    memory=MemoryPlan({"step": {"weights": 3 * GIB, "gradients": GIB}}),
    notes=["the model is one GPU"],
    refusal="it needs 4.0 GiB",
)


def test_people_read_command_files_memory_and_the_refusal() -> None:
    text = step.format_step(STEP, Gpus(1, 2 * GIB))
    assert text.startswith("sft: refused\n  $ zoomin-train sft 'my model'\n")
    assert "reads   my model; set" in text
    assert "4.0 GiB on each GPU, of 1.9 that a run may take" in text
    assert "4.0 = weights 3.0 + gradients 1.0" in text
    assert text.endswith("refused it needs 4.0 GiB")


def test_programs_read_bytes() -> None:
    report = STEP.to_json()
    assert report["memory_bytes"] == {"step": {"weights": 3 * GIB, "gradients": GIB}}
    assert report["peak_bytes"] == 4 * GIB
    assert report["refusal"] == "it needs 4.0 GiB"
