"""vLLM's own OpenAI server on models/zoomin-tiny, as a child process on loopback."""

import os
import sys
import urllib.request
from pathlib import Path

from PIL import Image

from pipeline import prompts
from pipeline.images import build_model_image
from pipeline.vllm.runtime import build_process_environment
from tests.support.paths import MODEL
from worker.local.server import LocalServer
from worker.local.service import LocalService

START_TIMEOUT_S = 500.0  # one minute on an idle machine
KEY = "sk-vllm"
NAME = "zoomin-tiny"


class VllmServer(LocalService):
    """A server that replaces every prompt by Query 1, the only prompt about one image that the tiny model knows."""

    def __init__(self, directory: Path) -> None:
        super().__init__(LocalServer("vllm", directory, ports=("http",), ready_timeout_s=START_TIMEOUT_S))
        self.template = self.server.directory / "query_1.jinja"
        self.template.write_text(render_template())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports['http']}/v1"

    def launch(self) -> None:
        model = ("--model", MODEL, "--served-model-name", NAME, "--dtype", "float32", "--max-num-seqs", "8")
        place = ("--host", "127.0.0.1", "--port", str(self.server.ports["http"]), "--api-key", KEY)
        program = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
        self.server.launch(
            (*program, *model, *place, "--chat-template", self.template),
            env=os.environ | build_process_environment(1, {}),
        )

    def _is_ready(self) -> bool:
        try:
            health = f"http://127.0.0.1:{self.server.ports['http']}/health"
            with urllib.request.urlopen(health, timeout=5) as response:
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
