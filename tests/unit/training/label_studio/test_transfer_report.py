import json
from collections import Counter

from tests.unit.training.label_studio.test_marks import refuse
from training.label_studio.pull import PullResult
from training.label_studio.push import PushResult
from training.label_studio.transfer_report import (
    MOST_LINES,
    convert_pull,
    convert_push,
    describe_pull,
    describe_push,
    list_problems,
)
from training.labeling.bucket import Unreadable

PUSHED = PushResult(
    sent=Counter(control=1200, corrected=3), known=5, waiting=7, refused=[Unreadable("cases/odd.json", "no JSON")]
)
PULLED = PullResult(labels=2, known=1, refused=[refuse(number) for number in range(MOST_LINES + 5)])


def test_a_push_is_one_line_and_one_object() -> None:
    assert describe_push(PUSHED) == (
        "sent 1,203 cases (1,200 control, 3 corrected); 5 were there, 7 wait for quota or limit, 0 got a further "
        "annotator, 0 deleted, 1 refused"
    )
    printed = json.loads(json.dumps(convert_push(PUSHED, "Label Studio is away")))
    assert (printed["sent"], printed["error"]) == ({"control": 1200, "corrected": 3}, "Label Studio is away")
    assert list(list_problems(PUSHED)) == ["not sent: cases/odd.json: no JSON"]


def test_a_pull_is_one_line_and_one_object() -> None:
    assert describe_pull(PULLED).endswith("25 refused (25 rotated)")
    printed = json.loads(json.dumps(convert_pull(PULLED, None)))
    assert (printed["refused"], len(printed["refusals"])) == ({"rotated": 25}, 25)
    lines = list(list_problems(PULLED))
    assert len(lines) == MOST_LINES
    assert lines[0].startswith("refused (rotated): ")
    assert describe_pull(PullResult()).endswith("0 refused")
