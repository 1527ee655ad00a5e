import numpy as np
import pytest

from pipeline.verdict import BoundingBox, Verdict
from training.evaluation import comparison
from training.evaluation.metrics import Prediction

R, G = Verdict.REAL, Verdict.GENERATED
BOX, HALF = BoundingBox(0, 0, 40, 40), BoundingBox(0, 0, 40, 20)


def make_prediction(label: Verdict, *, right: bool, box: BoundingBox = BOX, text: str = "Tiles repeat.") -> Prediction:
    verdict = label if right else R if label is G else G
    return Prediction(label, verdict, verdict, (box,), (BOX,), explanation=text, reference="Tiles repeat.")


def many(rights: str, **more: object) -> list[Prediction]:
    return [make_prediction(G if n % 2 else R, right=digit == "1", **more) for n, digit in enumerate(rights)]


A = many("1111000010", box=HALF, text="Seams here")
B = many("1111111100")


def rows(a: list[Prediction], b: list[Prediction]) -> dict[object, dict[str, dict[str, float]]]:
    return {row["figure"]: row for row in comparison.compare_metrics(a, b)}


def test_each_metric_has_both_and_their_difference() -> None:
    compared = rows(A, B)
    assert compared.keys() == comparison.COMPARED_METRICS.keys()
    assert (compared["acc"]["a"]["value"], compared["acc"]["b"]["value"]) == (0.5, 0.8)
    assert compared["acc"]["difference"]["value"] == pytest.approx(0.3)
    assert compared["iou"]["difference"]["value"] == pytest.approx(0.5)
    assert (compared["bleu2"]["a"]["value"], compared["bleu2"]["b"]["value"]) == (0.0, 1.0)
    assert compared["tpr"]["a"]["value"] == pytest.approx(0.4)


def test_the_difference_of_one_with_itself_is_nothing_and_sure() -> None:
    for row in rows(A, A).values():
        assert row["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 10}


def test_the_difference_is_paired() -> None:
    """Two that err on nearly the same images differ less surely apart than together."""
    rng = np.random.default_rng(0)
    hard = rng.random(400) < 0.4
    a = [make_prediction(R, right=not is_hard) for is_hard in hard]
    b = [make_prediction(R, right=not is_hard or number % 10 == 0) for number, is_hard in enumerate(hard)]
    row = rows(a, b)["acc"]
    paired = row["difference"]["high"] - row["difference"]["low"]
    apart = np.hypot(row["a"]["high"] - row["a"]["low"], row["b"]["high"] - row["b"]["low"])
    assert row["difference"]["low"] > 0
    assert paired < apart / 2


def test_mcnemar_counts_who_is_right_where() -> None:
    final, first = comparison.compute_mcnemar(A, B)
    assert (final["figure"], first["figure"]) == ("acc", "i_acc")
    assert [final[key] for key in ("both", "only_a", "only_b", "neither")] == [4, 1, 4, 1]
    assert (final["images_only_a"], final["images_only_b"]) == ([8], [4, 5, 6, 7])
    assert final["p"] == pytest.approx(2 * (1 + 5) / 32)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (0, 10, 2 / 1024), (10, 0, 2 / 1024), (3, 9, 0.145996)],
)
def test_the_exact_p(only_a: int, only_b: int, p: float) -> None:
    assert comparison.compute_exact_p(only_a, only_b) == pytest.approx(p, abs=1e-6)


def test_thousands_of_images_are_no_trouble() -> None:
    assert 0 < comparison.compute_exact_p(900, 1100) < 1e-4
