from types import SimpleNamespace
from typing import Any, cast

import pytest

from training.grpo import workarounds

TEXT, START, PAD, END = 7, 1, 2, 3


@pytest.mark.parametrize(
    ("ids", "collapsed"),
    [
        ([TEXT, START, PAD, PAD, PAD, END, TEXT], [TEXT, START, PAD, END, TEXT]),
        ([START, PAD, PAD, END, START, PAD, PAD, END], [START, PAD, END, START, PAD, END]),
        ([START, PAD, END, TEXT, TEXT], [START, PAD, END, TEXT, TEXT]),
        ([TEXT, TEXT], [TEXT, TEXT]),
    ],
)
def test_one_image_token_is_left_of_each_run(ids: list[int], collapsed: list[int]) -> None:
    assert workarounds.collapse_image_runs(ids, PAD) == collapsed


class Server:
    """Records what is posted to it."""

    def __init__(self) -> None:
        self.base_url = "http://127.0.0.1:8000"
        self.session = self
        self.posted: list[str] = []

    def post(self, url: str, timeout: float) -> "Server":
        assert timeout > 0
        self.posted.append(url)
        return self

    def raise_for_status(self) -> None:
        pass


@pytest.mark.parametrize(("first", "posted"), [(True, ["http://127.0.0.1:8000/reset_encoder_cache"]), (False, [])])
def test_the_first_process_empties_a_server_s_cache(first: bool, posted: list[str]) -> None:
    server = Server()
    sampler = SimpleNamespace(mode="server", vllm_client=server, accelerator=SimpleNamespace(is_main_process=first))
    workarounds.forget_image_features(cast(Any, sampler))
    assert server.posted == posted
