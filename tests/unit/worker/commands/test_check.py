import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipeline.errors import AccessDenied
from pipeline.sandbox.confinement import LAYERS
from worker.__main__ import main
from worker.commands.check import _check_engine, _check_tombstones
from worker.common.sections import SamplingSettings, StoreSettings
from worker.common.settings import Settings

REFUSAL = """
import errno, os
from pipeline.sandbox import seccomp

def refuse():
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

seccomp.apply_filter = refuse
"""


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ZOOMIN_KAFKA_GROUP_ID", "; did you mean ZOOMIN_KAFKA__GROUP_ID?"), ("ZOOMIN_PORT", "")],
)
def test_a_stray_name_is_a_warning_with_its_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert main(["check"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"zoomin check: warning: {name} is not a setting and is ignored{hint}\n"
    assert name not in printed.out


def test_without_stray_names_nothing_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_a_stray_name_is_named_beside_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOMIN_KAFKA_GROUP_ID", "1")
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "many")
    assert main(["check"]) == 2
    assert "did you mean ZOOMIN_KAFKA__GROUP_ID?" in (printed := capsys.readouterr().err)
    assert "ZOOMIN_FLOW__MAX_SPAN: " in printed


def test_it_names_the_layers_that_confine_a_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "decoder: confined by " in capsys.readouterr().out
    assert main(["check", "--json"]) == 0
    decoder = json.loads(capsys.readouterr().out)["decoder"]
    assert {*decoder["holding"], *decoder["refused"]} == set(LAYERS)


def test_it_names_the_layers_that_the_kernel_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSAL)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check"]) == 0
    assert "decoder: the kernel refuses seccomp (Invalid argument)" in capsys.readouterr().out


async def test_it_names_the_engine_without_importing_it() -> None:
    assert (await _check_engine()).startswith("vllm ")


class RefusingS3(BaseHTTPRequestHandler):
    """Denies each HEAD, as S3 does where s3:GetObject or s3:ListBucket is not granted."""

    def do_HEAD(self) -> None:
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


async def test_a_labeling_bucket_without_the_right_to_look_for_tombstones_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "writer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with ThreadingHTTPServer(("127.0.0.1", 0), RefusingS3) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(
            store=StoreSettings(endpoint_url=f"http://127.0.0.1:{server.server_port}"),
            sampling=SamplingSettings(bucket="labels"),
        )
        with pytest.raises(AccessDenied, match="must grant s3:GetObject and s3:ListBucket"):
            await _check_tombstones(settings)
        server.shutdown()
