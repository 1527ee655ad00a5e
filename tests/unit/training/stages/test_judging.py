from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from tests.support.stages import StandIn
from training.settings import TrainSettings
from training.stages.differences import ANNOTATED, OWN
from training.stages.judging import Judge


def test_a_checkpoint_is_judged_once_with_its_own_and_with_annotated_boxes(tmp_path: Path) -> None:
    stand_in, checkpoint = StandIn(), Checkpoint.read(MODEL)
    settings = TrainSettings(cache=tmp_path / "cache", workers=1)
    predictions, engine = Judge(tmp_path / "predictions", 2, settings, stand_in).predict(checkpoint)
    assert engine == "stand-in 1"
    assert [len(predictions[name]) for name in (OWN, ANNOTATED)] == [2, 2]
    assert predictions[OWN][0].reference, "the words of the scene, for BLEU"
    again, _ = Judge(tmp_path / "predictions", 2, settings, stand_in).predict(checkpoint)
    assert again == predictions
    assert len(stand_in.served) == 1
