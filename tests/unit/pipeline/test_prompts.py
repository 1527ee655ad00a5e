import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import BoxFrame
from pipeline.images import build_model_image

VIEW = build_model_image(Image.new("RGB", (56, 56)))
CROPS = [build_model_image(Image.new("RGB", (28 * n, 56))) for n in (2, 3)]


def list_blocks_to_first_image(messages: list[dict[str, object]]) -> list[object]:
    """List the parts of a chat up to and including the first image."""
    system, user = messages
    blocks = user["content"]
    assert isinstance(blocks, list)
    return [system, *blocks[: blocks.index({"type": "image"}) + 1]]


@pytest.mark.parametrize("frame", ["pixels", "thousand"])
def test_query_2_begins_as_query_1_up_to_the_image(frame: BoxFrame) -> None:
    scan, check = prompts.build_global_scan(VIEW, frame), prompts.build_local_check(VIEW, CROPS, frame)
    assert list_blocks_to_first_image(prompts.build_chat(scan)) == list_blocks_to_first_image(prompts.build_chat(check))
    assert scan.images[0] is check.images[0] is VIEW
    assert scan.answer_start == check.answer_start


def test_images_and_their_places_agree() -> None:
    query = prompts.build_local_check(VIEW, CROPS, "pixels")
    assert query.images == (VIEW, *CROPS)
    blocks = prompts.build_chat(query)[1]["content"]
    assert [block.get("text", "image") for block in blocks] == [
        "image",
        "Crop 1:",
        "image",
        "Crop 2:",
        "image",
        "Query 2: check the crops.",
    ]


def test_without_crops_the_query_says_so() -> None:
    query = prompts.build_local_check(VIEW, [], "pixels")
    assert query.images == (VIEW,)
    assert "no crops" in str(query.content[-1])


def test_the_model_is_told_the_unit_of_its_boxes() -> None:
    assert "in pixels of that image" in prompts.build_global_scan(VIEW, "pixels").instructions
    assert "in thousandths of its sides" in prompts.build_global_scan(VIEW, "thousand").instructions


def test_prompts_of_a_version_never_change() -> None:
    """Checkpoints are trained on these words: a change of them needs a new prompt version."""
    assert prompts.PROMPT_VERSION == "1"
    assert prompts.compute_fingerprint("pixels") == "d4ad10dbc5c2c4dae0b70fb2457528c968b5974d458d5d93007ee0d06835f14d"
    assert prompts.compute_fingerprint("thousand") == "f90280856103ad1a2f0c642ed66cda5ef4f40bbff4ef970991beabfb900dea73"
