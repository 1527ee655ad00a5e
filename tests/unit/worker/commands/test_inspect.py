import json
import os
from pathlib import Path

import pytest
from PIL import Image

from pipeline.checkpoint import CheckpointCard
from pipeline.errors import BadSettings, EngineDead
from pipeline.wire.messages import VerdictEvent
from tests.support.engines import DigestEngine
from worker.cli.terminal import build_console
from worker.commands.inspect import inspect_files, redirect_stderr
from worker.common.sections import EngineSettings, StoreSettings
from worker.common.settings import Settings


@pytest.fixture
def settings(tmp_path):
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "config.json").write_text("{}")
    return Settings(engine=EngineSettings(model=model), store=StoreSettings(max_image_bytes=100_000))


@pytest.fixture
def files(tmp_path):
    paths = []
    for name, color in [("a.png", "red"), ("b.jpg", "blue"), ("c.png", "white")]:
        paths.append(tmp_path / name)
        Image.new("RGB", (300, 200), color).save(paths[-1])
    return paths


class Started:
    """Starts a stand-in engine and keeps it for the test."""

    def __init__(self):
        self.engine = None

    async def __call__(self, checkpoint, settings):
        self.engine = DigestEngine(CheckpointCard())
        return self.engine


async def test_each_file_becomes_a_verdict_event_in_order(files, settings, capsys):
    start = Started()
    assert await inspect_files(files, settings, build_console(stderr=True), as_json=True, out=None, start=start) == 0
    events = [VerdictEvent.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.image.key for event in events] == [str(path) for path in files]
    assert [(event.image.width_px, event.image.height_px) for event in events] == [(300, 200)] * 3
    assert [event.image.format for event in events] == ["png", "jpeg", "png"]
    assert {"fetch", "decode", "scan", "check", "total"} == set(events[0].timing_s)
    assert len({event.event_id for event in events}) == 3
    assert start.engine.closed


async def test_users_read_both_answers_and_the_crops(files, settings, capsys):
    errors = build_console(stderr=True)
    assert await inspect_files(files[:1], settings, errors, as_json=False, out=None, start=Started()) == 0
    output = capsys.readouterr()
    for part in [str(files[0]), "Global scan", "Local check", "crop 1  [", "P(generated)", "The first byte is"]:
        assert part in output.out
    assert "a minute or two" in output.err


async def test_files_that_cannot_be_judged_are_named_and_the_others_go_on(files, settings, tmp_path, capsys):
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "huge.png").write_bytes(b"\0" * 100_001)
    bad = [tmp_path / "text.png", tmp_path / "huge.png", tmp_path / "none.png", tmp_path]
    start, errors = Started(), build_console(stderr=True)
    assert await inspect_files([*bad, files[0]], settings, errors, as_json=True, out=None, start=start) == 4
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    for path, code in zip(bad, ["image_refused", "image_too_large", "image_missing", "image_missing"], strict=True):
        assert any(f"{path}:" in line and code in line for line in output.err.splitlines())
    assert start.engine.closed


async def test_cards_go_to_one_file_or_to_a_directory(files, settings, tmp_path, capsys):
    single, several = tmp_path / "out" / "card.png", tmp_path / "cards"
    await inspect_files(files[:1], settings, build_console(stderr=True), as_json=True, out=single, start=Started())
    await inspect_files(files, settings, build_console(stderr=True), as_json=True, out=several, start=Started())
    with Image.open(single) as card:
        assert card.width == 1280
    assert sorted(path.name for path in several.iterdir()) == ["a.png", "b.png", "c.png"]
    assert json.loads(capsys.readouterr().out.splitlines()[0])["image"]["key"] == str(files[0])


async def test_two_files_of_one_name_get_a_card_each(files, settings, tmp_path):
    (tmp_path / "other").mkdir()
    Image.new("RGB", (50, 50)).save(tmp_path / "other" / "a.png")
    cards = tmp_path / "cards"
    await inspect_files(
        [files[0], tmp_path / "other" / "a.png"],
        settings,
        build_console(stderr=True),
        as_json=True,
        out=cards,
        start=Started(),
    )
    assert len(list(cards.iterdir())) == 2


async def test_a_place_for_cards_that_cannot_be_is_said_before_the_engine_starts(files, settings, tmp_path):
    (tmp_path / "file").write_text("")
    start = Started()
    with pytest.raises(BadSettings, match="file"):
        await inspect_files(files, settings, build_console(), as_json=True, out=tmp_path / "file", start=start)
    assert start.engine is None


async def test_no_card_overwrites_its_image(files, settings):
    start = Started()
    with pytest.raises(BadSettings, match="overwritten"):
        await inspect_files(files[:1], settings, build_console(), as_json=True, out=files[0], start=start)
    assert start.engine is None


def test_output_of_libraries_is_put_aside_and_ours_is_not(capfd):
    with redirect_stderr() as errors:
        os.write(2, b"output of a library\n")
        errors.print("for the user")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "for the user\nafterwards\n"


def die_after_output():
    with redirect_stderr():
        os.write(2, b"the reason\n")
        raise EngineDead("it died")


def test_after_a_failure_the_output_can_be_read(capfd):
    with pytest.raises(EngineDead) as caught:
        die_after_output()
    path = Path(caught.value.detail.rpartition(" ")[2])
    assert path.read_text() == "the reason\n"
    path.unlink()
