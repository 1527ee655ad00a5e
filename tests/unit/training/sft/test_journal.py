import json
from pathlib import Path

from transformers import TrainerControl, TrainerState, TrainingArguments

from training.runs.budget import Clock
from training.sft.journal import LOG_NAME, SftJournal


def test_a_step_s_line_has_its_rows_and_its_pace(tmp_path: Path) -> None:
    now = [0.0]
    journal = SftJournal(tmp_path, Clock(now=lambda: now[0]), steps=2)
    args, control = TrainingArguments(output_dir=str(tmp_path), use_cpu=True), TrainerControl()
    for step, tokens in ((1, 400.0), (2, 1000.0)):
        journal.add_rows([step])
        journal.add_rows([step + 10])
        now[0] += 2
        logs = {"loss": 1.5, "grad_norm": 0.5, "learning_rate": 1e-5, "num_tokens": tokens}
        journal.on_log(args, TrainerState(global_step=step), control, logs)
    lines = [json.loads(line) for line in (tmp_path / LOG_NAME).read_text().splitlines()]
    assert [line["rows"] for line in lines] == [[1, 11], [2, 12]]
    assert [(line["tokens"], line["tokens_per_s"], line["step_s"]) for line in lines] == [(400, 200, 2), (600, 300, 2)]
