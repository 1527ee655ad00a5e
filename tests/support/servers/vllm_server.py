"""vLLM's own OpenAI server on models/zoomin-tiny, as a child process on loopback."""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from PIL import Image

from pipeline import prompts
from pipeline.images import build_model_image
from pipeline.vllm.runtime import build_process_environment
from tests.support.paths import MODEL
from worker.local.server import LocalServer

START_TIMEOUT_S = 500  # one minute on an idle machine
KEY = "sk-vllm"
NAME = "zoomin-tiny"


class VllmServer(LocalServer):
    """A server that replaces every prompt by Query 1, the only prompt about one image that the tiny model knows."""

    def __init__(self, directory: Path) -> None:
        super().__init__("vllm", directory, ports=("http",))
        self.template = self.directory / "query_1.jinja"
        self.template.write_text(render_template())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}/v1"

    def start(self) -> Self:
        """Start the server and wait until it is healthy.

        Raises: LocalStackFailed.
        """
        model = ("--model", MODEL, "--served-model-name", NAME, "--dtype", "float32", "--max-num-seqs", "8")
        place = ("--host", "127.0.0.1", "--port", str(self.ports["http"]), "--api-key", KEY)
        program = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
        self.launch(
            (*program, *model, *place, "--chat-template", self.template),
            env=os.environ | build_process_environment(1, {}),
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_healthy():
            if self.process.returncode is not None or time.monotonic() > deadline:
                self.stop()
                raise self.build_error("vLLM's server does not serve")
            time.sleep(0.5)
        return self

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['http']}/health", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def render_template() -> str:
    """Render a chat template that replaces every prompt by Query 1 on the same image, with the start of the answer."""
    query = prompts.build_global_scan(build_model_image(Image.new("RGB", (28, 28))), "thousand")
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    prompt = "".join(part if isinstance(part, str) else image for part in query.content)
    turns = (("system", query.instructions), ("user", prompt))
    text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in turns)
    return f"{{% raw %}}{text}<|im_start|>assistant\n{query.answer_start}{{% endraw %}}"
