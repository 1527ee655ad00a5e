from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training import settings


def test_defaults_fit_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZOOMIN_TRAIN_THREADS", "ZOOMIN_TRAIN_WORKERS"):
        monkeypatch.delenv(name)
    loaded = settings.load()
    assert loaded.threads == loaded.workers >= 1
    assert loaded.cache_directory == Path.home() / ".cache" / "zoomin"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "3")
    monkeypatch.setenv("ZOOMIN_TRAIN_CACHE", "/somewhere")
    loaded = settings.load()
    assert (loaded.threads, loaded.cache_directory) == (3, Path("/somewhere"))


def test_every_bad_name_and_field_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "none")
    monkeypatch.setenv("ZOOMIN_TRAIN_CONCURRENCY", "0")
    monkeypatch.setenv("ZOOMIN_TRAIN_THREAD", "2")
    with pytest.raises(BadSettings) as caught:
        settings.load()
    for part in ("ZOOMIN_TRAIN_THREADS: ", "ZOOMIN_TRAIN_CONCURRENCY: ", "ZOOMIN_TRAIN_THREAD is not a setting"):
        assert part in caught.value.detail


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ZOOMIN_TRAIN_THREAD", "did you mean ZOOMIN_TRAIN_THREADS?"),
        ("ZOOMIN_TRAIN_GROUNDING_URL", "did you mean ZOOMIN_TRAIN_GROUND_URL?"),
        ("ZOOMIN_TRAIN_COLOUR", "there are ZOOMIN_TRAIN_CACHE, "),
    ],
)
def test_a_mistyped_name_is_told_the_setting_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(BadSettings) as caught:
        settings.load()
    assert caught.value.detail.startswith(f"{name} is not a setting; {hint}")


def test_endpoints_have_their_prices_and_keep_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_KEY", "sk-secret")
    monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_USD_PER_MILLION", "2.50,10")
    loaded = settings.load()
    assert loaded.explain_usd_per_million == (2.5, 10.0)
    assert "sk-secret" not in repr(loaded)
    monkeypatch.setenv("ZOOMIN_TRAIN_EXPLAIN_USD_PER_MILLION", "2.50")
    with pytest.raises(BadSettings, match="ZOOMIN_TRAIN_EXPLAIN_USD_PER_MILLION: "):
        settings.load()
