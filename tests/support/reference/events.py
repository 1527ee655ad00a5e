"""Build the page of topics, headers and messages from AsyncAPI and the JSON Schemas."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.wire.schemas import build_schemas
from tests.support.paths import ROOT
from tests.support.reference.markdown import NOTE, describe_type, join, table, wrap

READ_BY_US = frozenset({"image-event.json", "review-event.json", "deletion-event.json"})
# The schemas describe only what a type does not say; these are the meanings of the fields, by type.
MEANINGS = {
    "VerdictEvent": {
        "verdict_id": "one judgement: the same for a repeat by the same model, another for a later model",
        "event_id": "what readers deduplicate on",
        "record": "the Kafka record that the event came in",
        "image": "the object that was judged",
        "source": "as the sender gave it",
        "attributes": "as the sender gave them",
        "verdict": "what `p_generated` says: generated from the card's threshold on, 0.5 by default",
        "p_generated": "probability that the image is generated: that of `check`, or of `scan` where `check` is null",
        "p_generated_raw": "the same, not calibrated",
        "confidence": "probability of `verdict`; below 0.5 only where the card's threshold is another",
        "uncertain": "`p_generated` lies in the uncertain range of the checkpoint card",
        "status": "`ungrounded`: no region to zoom into; `degraded`: the answer to Query 2 could not be read",
        "corrected": "the verdict that Query 2 wrote differs from that of Query 1",
        "scan": "the answer to Query 1",
        "check": "the answer to Query 2; null where the status is `degraded`",
        "model": "the checkpoint that judged",
        "timing_s": "seconds in each stage",
        "worker": "the process that judged",
        "decided_at": "when the verdict was built",
    },
    "JudgedImage": {
        "bucket": "as the event named it",
        "key": "as the event named it",
        "etag": "of the object that was read",
        "version_id": "of the object that was read",
        "sha256": "of the file",
        "width_px": "width as viewers show the image",
        "height_px": "height as viewers show the image",
        "format": "found by the first bytes of the file",
        "frames": "how many frames viewers show, or pages; more than one in an animation or a TIFF of several pages",
        "bytes": "length of the object as it is stored",
        "repaired": "the file is broken and was judged as viewers show it; null in old verdicts",
        "frame": "the frame that was judged, from 0: the first that is not flat; null in old verdicts",
    },
    "ScanEvidence": {
        "verdict": "the verdict that the model wrote in Query 1",
        "p_generated": "the probability after Query 1, calibrated where the card has a calibration of Query 1",
        "explanation": "the model's own words",
        "truncated": "the token limit cut the explanation",
        "regions": "the places that Query 1 named",
    },
    "CheckEvidence": {
        "verdict": "the verdict that the model wrote in Query 2; the published one follows the probability",
        "p_generated": "the probability after Query 2, calibrated where the card has a calibration of Query 2",
        "explanation": "the model's own words",
        "truncated": "the token limit cut the explanation",
    },
    "ZoomRegion": {
        "zoomed": "Query 2 saw this region enlarged",
        "crop_sha256": "digest of the enlarged crop",
    },
    "LabelCase": {
        "case_id": "equals the `verdict_id`",
        "event_id": "the id of the event that was judged",
        "image": "the image to label",
        "reasons": "why the case was drawn: `low_confidence`, `corrected`, `degraded`, `ungrounded`, `control`",
        "inclusion_probability": "probability by which the case was drawn",
        "blind": "annotators see no pre-annotation",
        "verdict_event": "the whole verdict",
        "state": "always `pending`; `labeled` in old buckets",
        "label": "always null; the annotators' conclusion in old buckets",
    },
    "LabelEvent": {
        "label_id": "the same for the same label, read again",
        "case_id": "the case that is labeled",
        "event_id": "the id of the event that was judged",
        "image_sha256": "of the file that was judged",
        "verdict": "`unsure` counts in estimates and is never trained on",
        "boxes": "null: nobody was asked to draw; empty: the annotator looked, and there is none",
        "explanation": "the annotator's own words",
        "annotator": "an opaque id",
        "origin": "`label_studio`, `review` (of the platform) or `import`",
        "blind": "the annotator saw nothing of the model's answers",
        "guideline_version": "the guidelines that the annotator worked by",
        "seconds_spent": "from opening the task to submitting it",
        "created_at": "when the annotator submitted it",
        "supersedes": "the label of the same annotator that this one corrects",
    },
    "Label": {
        "verdict": "the annotators' verdict",
        "boxes": "the regions that the annotators marked",
        "explanation": "the annotators' own words",
    },
}


def build_events_page() -> str:
    asyncapi = yaml.safe_load((ROOT / "docs" / "schemas" / "asyncapi.yaml").read_text())
    schemas_of_headers = {
        name: schema for name, schema in asyncapi["components"]["schemas"].items() if name.endswith("Headers")
    }
    parts = [
        "# Events, topics and headers\n",
        NOTE,
        wrap(
            "For programs: [AsyncAPI](../schemas/asyncapi.yaml) and the JSON Schemas beside it, from which this page "
            "is made. Readers ignore fields that they do not know; within a version, fields are only added."
        ),
        "## Topics\n",
        table(("default name", "direction", "remarks"), describe_topics(asyncapi)),
        "## Messages\n",
        table(
            ("message", "meaning"),
            ((f"`{name}`", message["summary"]) for name, message in asyncapi["components"]["messages"].items()),
        ),
    ]
    for name, schema in schemas_of_headers.items():
        parts += [f"## Headers: {name}\n", describe_headers(schema)]
    return join([*parts, *describe_messages()])


def describe_topics(asyncapi: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    uses: dict[str, list[str]] = {}
    for operation in asyncapi["operations"].values():
        name = operation["channel"]["$ref"].rpartition("/")[2]
        action = {"receive": "reads", "send": "writes"}[operation["action"]]
        program = {"worker": "the worker", "zoomin collect": "`zoomin collect`"}[operation["tags"][0]["name"]]
        uses.setdefault(name, []).append(f"{program} {action} it")
    for name, channel in asyncapi["channels"].items():
        yield f"`{channel['address']}`", ", ".join(uses[name]), channel["description"]


def describe_headers(schema: Mapping[str, Any]) -> str:
    rows = (
        (
            f"`{name}`",
            describe_type(header),
            "always" if name in schema.get("required", ()) else "sometimes",
            header.get("description", ""),
        )
        for name, header in schema["properties"].items()
    )
    return table(("header", "value", "present", "meaning"), rows)


def describe_messages() -> Iterator[str]:
    documents = {file: yaml.safe_load(text) for file, text in build_schemas().items()}
    described = {document["title"] for document in documents.values()}
    for file, document in documents.items():
        remark = "" if file in READ_BY_US else " Every field is present; one that has no value is null."
        yield f"## {document['title']}\n"
        yield wrap(f"[`{file}`](../schemas/{file}). {document.get('description', '')}{remark}")
        yield describe_fields(document["title"], document, is_read=file in READ_BY_US)
        for name, definition in document.get("$defs", {}).items():
            if name not in described:
                described.add(name)
                yield from describe_definition(name, definition)


def describe_definition(name: str, definition: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in definition:
        yield wrap(definition["description"])
    if "properties" in definition:
        yield describe_fields(name, definition, is_read=False)
    else:
        yield f"One of {describe_type(definition)}.\n"


def describe_fields(message: str, schema: Mapping[str, Any], *, is_read: bool) -> str:
    meanings = MEANINGS.get(message, {})
    required = schema.get("required", ()) if is_read else ()
    rows = (
        (
            f"`{name}`",
            describe_type(field),
            "yes" if name in required else "",
            field.get("description", "") or meanings.get(name, ""),
        )
        for name, field in schema["properties"].items()
    )
    return table(("field", "type and bounds", "required", "meaning"), rows)
