import xml.etree.ElementTree as ET

from pipeline.wire.labels import LabelVerdict
from training.label_studio import config

TREE = ET.fromstring(config.CONFIG)  # noqa: S314 - our own file


def test_the_page_has_the_controls_that_tasks_and_labels_name() -> None:
    by_name = {element.get("name"): element for element in TREE.iter() if element.get("name")}
    assert by_name.keys() == {config.IMAGE, config.REGION, config.VERDICT, config.EXPLANATION, "evidence"}
    for name, kind in (
        (config.REGION, config.REGION_TYPE),
        (config.VERDICT, config.VERDICT_TYPE),
        (config.EXPLANATION, config.EXPLANATION_TYPE),
    ):
        assert by_name[name].tag.lower() == kind
        assert by_name[name].get("toName") == config.IMAGE
    assert {label.get("value") for label in by_name[config.REGION]} == set(config.BOX_LABELS.values())
    assert {choice.get("value") for choice in by_name[config.VERDICT]} == set(LabelVerdict)


def test_keys_do_what_the_guide_says() -> None:
    keys = {element.get("hotkey"): element.get("value") for element in TREE.iter() if element.get("hotkey")}
    assert keys == {"1": "real", "2": "generated", "3": "unsure", "a": "artifact", "d": "authentic_detail"}


def test_the_version_of_the_guideline_stands_on_the_page() -> None:
    header = TREE.find("Header")
    assert header is not None
    assert (header.get("value") or "").startswith(f"Guideline {config.GUIDELINE_VERSION}: ")
    assert config.CONFIG.strip() == config.CONFIG, "Label Studio stores it stripped, and it is compared"
