"""Worker, evaluation and demo publish the same verdict where the calibrated probability overrules the model's word."""

import pytest

from pipeline import images, prompts
from pipeline.checkpoint import Calibration, CheckpointCard, Scaling
from pipeline.confidence import logit
from pipeline.decoding.decode import decode
from pipeline.engine import Answer
from pipeline.verdict import Verdict
from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_noise, build_record, encode_image
from tests.support.engines import DigestEngine
from tests.support.fakes import FakeS3, FakeStore
from tests.support.fakes_kafka import FakeBroker
from tests.support.handlers import BUCKET, build_handler
from training.evaluation import evaluate, metrics
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from worker.demo.report import Case, Summary

PNG = encode_image(build_noise(), "PNG")
RAW, CALIBRATED = 0.6, 0.47
CARD = CheckpointCard(calibration=Calibration(bias=logit(CALIBRATED) - logit(RAW)))
SCAN = Answer(prompts.render_scan(Verdict.REAL, [(0, 0, 56, 56)], "Plain."), 0.1)
CHECK = Answer(prompts.render_check(Verdict.GENERATED, "A seam."), RAW)


@pytest.fixture
def engine() -> DigestEngine:
    """An engine whose Query 2 says generated with a probability that the card calibrates to .47."""
    view = images.build_view(decode(PNG, max_pixels=1_000_000), CARD.scan_max_pixels)
    return DigestEngine(CARD, script={view.sha256: {"scan": SCAN, "check": CHECK}})


async def publish(engine: DigestEngine) -> VerdictEvent:
    """Return what the worker publishes about the image."""
    s3, broker = FakeS3(buckets={BUCKET: {}}), FakeBroker()
    s3.put(BUCKET, "a.png", PNG)
    await build_handler(FakeStore(s3), broker.build_publisher(), engine).handle(
        build_record({"schema_version": 1, "url": f"s3://{BUCKET}/a.png"})
    )
    (message,) = broker.verdicts
    return VerdictEvent.model_validate_json(message.value or b"")


async def predict(engine: DigestEngine, label: Verdict) -> Prediction:
    sample = Sample(0, decode(PNG, max_pixels=1_000_000), label, ())
    (prediction,) = (await evaluate.predict([sample], engine, concurrency=1, passes=evaluate.OWN))["own"]
    return prediction


@pytest.mark.parametrize("label", Verdict)
async def test_all_publish_what_the_probability_says(engine: DigestEngine, label: Verdict) -> None:
    event, prediction = await publish(engine), await predict(engine, label)
    assert event.p_generated == prediction.p_generated == pytest.approx(CALIBRATED)
    assert event.verdict is prediction.published_verdict is Verdict.REAL
    assert event.overruled is prediction.overruled is True
    assert event.check
    assert event.check.verdict is prediction.check_verdict is Verdict.GENERATED

    computed = metrics.compute_metrics([prediction])
    summary = Summary.from_cases([Case("a.png", label, event)], seconds=1.0)
    assert (summary.acc, summary.i_acc, summary.acc_published) != (None, None, None)
    for share, name in ((summary.acc, "acc"), (summary.i_acc, "i_acc"), (summary.acc_published, "acc_published")):
        assert share
        assert share.value == computed[name].value == float((name == "acc") is (label is Verdict.GENERATED))


@pytest.mark.parametrize("label", Verdict)
async def test_all_publish_what_query_1_says_where_query_2_cannot_be_read(label: Verdict) -> None:
    card = CARD.model_copy(update={"scan_calibration": Scaling(bias=logit(CALIBRATED) - logit(RAW))})
    view = images.build_view(decode(PNG, max_pixels=1_000_000), card.scan_max_pixels)
    scan = Answer(prompts.render_scan(Verdict.GENERATED, [(0, 0, 56, 56)], "A seam."), RAW)
    engine = DigestEngine(card, script={view.sha256: {"scan": scan, "check": Answer("no answer", 0.99)}})
    event, prediction = await publish(engine), await predict(engine, label)
    assert event.status == "degraded"
    assert event.p_generated == prediction.p_generated == pytest.approx(CALIBRATED)
    assert event.verdict is prediction.published_verdict is Verdict.REAL
    assert event.overruled is prediction.overruled is True

    computed = metrics.compute_metrics([prediction])
    summary = Summary.from_cases([Case("a.png", label, event)], seconds=1.0)
    for share, name in ((summary.acc, "acc"), (summary.i_acc, "i_acc"), (summary.acc_published, "acc_published")):
        assert share
        assert share.value == computed[name].value


async def test_corrected_is_about_what_the_model_wrote(engine: DigestEngine) -> None:
    event, prediction = await publish(engine), await predict(engine, Verdict.REAL)
    assert event.corrected
    assert event.scan.verdict is event.verdict
    assert metrics.compute_metrics([prediction])["c_cases"].value == 1.0
