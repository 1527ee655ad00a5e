import json
from pathlib import Path

import pytest

from tests.support.builders import build_noise, encode_image
from training.__main__ import main


def write_images(directory: Path, count: int) -> None:
    for label in ("real", "generated"):
        (directory / label).mkdir(parents=True)
        for number in range(count):
            pixels = build_noise(90, 90, seed=number + 1000 * len(label))
            (directory / label / f"{number}.png").write_bytes(encode_image(pixels, "PNG"))


def test_a_set_of_labels_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "in", 5)
    out = tmp_path / "out"
    assert main(["build", str(tmp_path / "in"), "--out", str(out), "--labels-only", "--least", "5", "--json"]) == 0
    page, figures = capsys.readouterr().out.splitlines()
    assert page == str(out / "README.md")
    assert '"at_chance": true' in figures


def test_too_few_images_are_one_sentence_with_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "in", 3)
    assert main(["build", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--labels-only"]) == 2
    (printed,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("zoomin-train")]
    assert printed.startswith("zoomin-train build: too few images to train on: 3 real, 3 generated")


def test_an_address_without_a_model_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_GROUND_URL", "http://127.0.0.1:9/v1")
    assert main(["build", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "ZOOMIN_TRAIN_GROUND_URL is set and names no model" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/v1", "http://", "http://host:99999/v1", "http://host:port/v1"])
def test_what_is_no_address_is_refused_before_anything_is_framed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_URL", url)
    monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_MODEL", "some-model")
    assert main(["build", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    assert printed == f"zoomin-train build: ZOOMIN_TRAIN_EXPLAIN_URL is {url!r}, which is no address: https://host/v1\n"


def write_delivered(directory: Path, sides_px: dict[str, int], count: int) -> None:
    """Write images of one kind of picture, each class delivered in its own size."""
    for label, side in sides_px.items():
        (directory / label).mkdir(parents=True)
        for number in range(count):
            pixels = build_noise(180, 180, seed=number + 1000 * len(label)).resize((side, side))
            (directory / label / f"{number}.png").write_bytes(encode_image(pixels, "PNG"))


def test_a_class_that_was_delivered_small_is_found_and_matching_the_sizes_cures_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_delivered(tmp_path / "in", {"real": 70, "generated": 180}, 12)
    command = ["build", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--labels-only", "--least", "5", "--json"]
    own = [*command, "--frame", "512", "--sizes", "own"]
    assert main(own) == 2
    assert "band energies alone tell the set's classes apart" in capsys.readouterr().err
    assert main([*own, "--accept-leak"]) == 0
    assert "build the set with `--sizes matched`" in capsys.readouterr().err
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["spectrum"]["value"] < 0.7
