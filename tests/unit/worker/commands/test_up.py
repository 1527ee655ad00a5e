import argparse
from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from worker.commands import up


def test_values_survive_the_shell() -> None:
    lines = up.format_exports({"ZOOMIN_A": "plain", "ZOOMIN_B": "a b'c$"}).splitlines()
    assert lines == ["unset AWS_SESSION_TOKEN", "export ZOOMIN_A=plain", """export ZOOMIN_B='a b'"'"'c$'"""]


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_number_of_sixteen_bits(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    up.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--kafka-port={port}"])
    assert "--kafka-port" in capsys.readouterr().err


def test_a_directory_without_images_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    parser = argparse.ArgumentParser()
    up.configure(parser)
    with pytest.raises(BadSettings, match="no image files"):
        up.run(parser.parse_args([f"--images={tmp_path}"]))
