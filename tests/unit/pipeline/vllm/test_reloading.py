import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.reloading import find_reload_obstacle

FILES = {
    "config.json": '{"hidden_size": 8, "transformers_version": "5.17.0", "text_config": {"layers": 2}}',
    "zoomin.json": '{"max_crops": 4}',
    "tokenizer.json": "{}",
    "chat_template.jinja": "{{ messages }}",
    "model.safetensors": "weights",
    "generation_config.json": "{}",
}


def write(directory: Path, **changes: str) -> Checkpoint:
    directory.mkdir(exist_ok=True)
    for name, content in {**FILES, **{key.replace("__", "."): value for key, value in changes.items()}}.items():
        (directory / name).write_text(content)
    return Checkpoint.read(directory)


@pytest.mark.parametrize(
    "changes",
    [
        {"model__safetensors": "other weights"},
        {"generation_config__json": '{"top_k": 1}'},
        {"config__json": '{"_name_or_path": "x", "hidden_size": 8, "text_config": {"dtype": "float32", "layers": 2}}'},
        {"zoomin__json": json.dumps({"max_crops": 4, "threshold": 0.4})},
        {"README__md": "about"},
    ],
)
def test_weights_and_calibration_are_taken_over_by_a_running_engine(tmp_path: Path, changes: dict[str, str]) -> None:
    assert find_reload_obstacle(write(tmp_path / "a"), write(tmp_path / "b", **changes)) is None


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"config__json": '{"hidden_size": 16, "text_config": {"layers": 2}}'}, "config.json differs"),
        ({"config__json": '{"hidden_size": 8, "text_config": {"layers": 3}}'}, "config.json differs"),
        (
            {"config__json": '{"dtype": "float32", "hidden_size": 8, "text_config": {"layers": 2}}'},
            "config.json differs",
        ),
        ({"tokenizer__json": '{"added": 1}'}, "tokenizer.json differs"),
        ({"chat_template__jinja": "{{ other }}"}, "chat_template.jinja differs"),
        ({"preprocessor_config__json": "{}"}, "preprocessor_config.json differs"),
        ({"zoomin__json": '{"max_crops": 4, "box_frame": "thousand"}'}, "box_frame of zoomin.json differs"),
        ({"zoomin__json": '{"max_crops": 5}'}, "max_crops of zoomin.json differs"),
        ({"zoomin__json": '{"max_crops": 4, "scan_max_pixels": 6272}'}, "scan_max_pixels of zoomin.json differs"),
    ],
)
def test_what_an_engine_reads_at_its_start_needs_a_new_one(
    tmp_path: Path, changes: dict[str, str], obstacle: str
) -> None:
    assert find_reload_obstacle(write(tmp_path / "a"), write(tmp_path / "b", **changes)) == obstacle
