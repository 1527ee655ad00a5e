from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.verdict import Verdict
from training.dataset.labeled_image import Explanations, LabeledImage
from training.runs.completions import ParsedCompletion
from training.runs.prompts import Prompt
from training.validation.predictions import predict_images
from training.validation.result import summarize_predictions


def test_one_turn_has_one_verdict(tmp_path: Path) -> None:
    class Generator:
        def generate(self, prompts: list[Prompt], after_each: Callable[[int], None]) -> list[ParsedCompletion]:
            after_each(len(prompts))
            assert [prompt.crops for prompt in prompts] == [(), ()]
            return [ParsedCompletion(Verdict.GENERATED, explanation="a seam"), ParsedCompletion(None)]

    explanations = Explanations(scan="a seam", check="Crop 1: a seam")
    entries = [LabeledImage(file=f"{n}.png", label=Verdict.GENERATED, explanations=explanations) for n in range(2)]
    predicted = predict_images(Generator(), tmp_path, entries, one_turn=True)
    result = summarize_predictions(0, predicted)
    assert (result.acc, result.i_acc, result.unparsed) == (0.5, 0.5, 0.5)
    assert result.bleu2 == pytest.approx(0.5)
