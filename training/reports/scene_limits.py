"""Results that hold on scenes because of how scenes are made, and say nothing about photographs."""

from collections.abc import Iterable

from training.evaluation import metrics
from training.synthetic import scenes


def are_scenes(references: Iterable[str | None]) -> bool:
    """Tell whether all images are scenes, also as files, by their references: only those list the painted details."""
    beginnings = tuple(f"Crop 1: {kind} with " for kind in scenes.Kind)
    return all((reference or "").startswith(beginnings) for reference in references)


def list_scene_limits() -> list[str]:
    """Return one explanation for each such result of the paper's tables."""
    bound = metrics.view_bound(scenes.TONE_CUE)
    return [
        f"I-Acc is capped: the view of a scene shows its tone alone (d' = {scenes.TONE_CUE}), so no judge of the view "
        f"can be right more often than Phi(d'/2) = {bound:.3f} in the long run. That zooming in gains is how scenes "
        "are made; how much of it this checkpoint gains is measured.",
        "Rows of one turn see the view alone: the bound on I-Acc is theirs on Acc, whatever they are trained for.",
        "Random crops cost: what betrays a generated scene lies inside its detail regions and nowhere else.",
        f"Largest 4 and Largest 3 change next to nothing: a scene has at most {scenes.MAX_REGIONS} regions.",
        "BLEU and ROUGE-L are far above the paper's: references are one sentence a crop, of a few fixed words.",
        "Half size costs: it takes away the finest detail, and nothing else betrays a scene; in a photograph more may.",
    ]
