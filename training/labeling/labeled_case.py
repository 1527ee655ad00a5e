"""The image of a labeled set that an agreed case becomes: the people's verdict, boxes and words, and its origin. Pure.

The model's own boxes and explanation count as those of a person only if they were shown and left unchanged.
"""

from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin
from pipeline.wire.messages import VerdictEvent
from pipeline.wire.record_time import find_record_time
from training.dataset.labeled_image import CaseOrigin, Explanations, LabeledImage
from training.labeling.adjudication import Adjudication


def build_labeled_image(case: LabelCase, adjudication: Adjudication, file: str) -> LabeledImage:
    """Build the image of an agreed case; `file` is its path within the set."""
    verdict, latest = adjudication.verdict, adjudication.agreeing[0]
    assert verdict is not None, f"{case.case_id} is {adjudication.state}"
    kept = any(is_model_answer(label, case.verdict_event) for label in adjudication.agreeing)
    explanation = adjudication.explanation or (case.verdict_event.last_answer.explanation if kept else None)
    return LabeledImage(
        file=file,
        label=verdict,
        boxes=adjudication.boxes,
        explanations=Explanations(scan=explanation, check=explanation) if explanation else None,
        source=case.verdict_event.source,
        case=CaseOrigin(
            case_id=case.case_id,
            reasons=case.reasons,
            inclusion_probability=case.inclusion_probability,
            recorded_at=find_record_time(case.verdict_event),
            label_origin=latest.origin,
            blind=latest.blind,
            model_answer_kept=kept,
        ),
    )


def is_model_answer(label: LabelEvent, event: VerdictEvent) -> bool:
    """Return whether an annotator saw the model's boxes and explanation, agreed with them and changed nothing."""
    answer = event.last_answer
    return (
        label.origin is LabelOrigin.LABEL_STUDIO
        and not label.blind
        and label.verdict.decided is answer.verdict
        and not answer.truncated
        and label.boxes is not None
        and sorted(label.boxes) == sorted(region.box for region in event.scan.regions)
        and label.explanation in (None, "", answer.explanation)
    )
