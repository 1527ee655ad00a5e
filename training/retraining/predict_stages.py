"""Run as a child of a night: predict images by several checkpoints as they are served.

Started with a PredictionPlan as JSON. The predictions of each set and checkpoint go to a file, which a killed run need
not make again. A process of its own frees the GPU's memory when it ends.
"""

import sys

from pipeline.checkpoint import Checkpoint
from training.evaluation import stored_predictions
from training.retraining.prediction_plan import PredictedSet, PredictionPlan
from training.runs import processes
from training.sft.profiles import PROFILES
from training.validation import served
from training.validation.plan import ValidationPlan


def predict_all(plan: PredictionPlan) -> None:
    """Predict what no earlier run has predicted."""
    plan.directory.mkdir(parents=True, exist_ok=True)
    for predicted in plan.sets:
        for name in predicted.checkpoints:
            if not plan.locate(predicted, name).exists():
                print(f"judging {predicted.name} images by {name}", file=sys.stderr)
                predict_set(plan, predicted, name)


def predict_set(plan: PredictionPlan, predicted: PredictedSet, name: str) -> None:
    """Predict a set by one checkpoint and store the predictions."""
    profile = PROFILES["paper"].change(validation_tokens=plan.tokens)
    validation = ValidationPlan(predicted.data, plan.directory / name, profile)
    predictions = served.predict_served(validation, Checkpoint.read(plan.checkpoints[name]), predicted.list_entries())
    engine = served.choose_engine(validation)
    stored_predictions.store_predictions(plan.locate(predicted, name), {"own": predictions}, engine)


if __name__ == "__main__":
    given = PredictionPlan.model_validate_json(sys.argv[1])
    processes.set_threads(given.threads)
    predict_all(given)
