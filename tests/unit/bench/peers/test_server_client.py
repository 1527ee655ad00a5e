import base64
import io
from dataclasses import dataclass

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.images import build_model_image
from pipeline.verdict import GlobalScan, Inspection, LocalCheck, Verdict
from tests.bench.peers.results import read_verdict
from tests.bench.peers.server_client import build_messages, encode_image, render_verdict

VIEW = build_model_image(Image.effect_noise((56, 28), 60).convert("RGB"))
CROP = build_model_image(Image.new("RGB", (28, 28), "red"))
SCAN = GlobalScan(Verdict.REAL, 0.2, (), "A scan.")


@dataclass
class Record:
    """The part of a record of Kafka that is looked at."""

    value: bytes = b"s3://pictures/000007.jpg"
    timestamp: int = 123


def test_a_query_becomes_messages_that_end_with_the_start_of_the_answer() -> None:
    query = prompts.build_local_check(VIEW, [CROP], "pixels")
    system, user, assistant = build_messages(query)
    assert system == {"role": "system", "content": [{"type": "text", "text": query.instructions}]}
    parts = [part.get("text", "an image") for part in user["content"]]
    assert parts == ["an image", "Crop 1:", "an image", "Query 2: check the crops."]
    assert assistant == {"role": "assistant", "content": "<verdict>"}


def test_an_image_arrives_with_the_same_pixels() -> None:
    _, _, encoded = encode_image(VIEW).partition("base64,")
    received = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert build_model_image(received) == VIEW


@pytest.mark.parametrize("check", [None, LocalCheck(Verdict.GENERATED, 0.9, "A check.")])
def test_the_comparison_reads_what_the_client_publishes(check: LocalCheck | None) -> None:
    message = render_verdict(Record(), Inspection(SCAN, (), check))
    assert read_verdict(message) == ("000007.jpg", "real" if check is None else "generated")
