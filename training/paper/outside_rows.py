"""Rows of table 1 from checkpoints that were trained elsewhere, and the judging of any row's checkpoint."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path

from transformers import AutoTokenizer

from pipeline.checkpoint import Checkpoint
from pipeline.engine import VisionEngine
from pipeline.errors import BadSettings
from pipeline.vllm.options import EngineOptions
from training.common import provenance
from training.common.resampling import Metric
from training.engine.memory import refuse_unfit_engine
from training.engine.run import EngineSetup, OnEngine, run_on_engine
from training.evaluation import evaluate
from training.evaluation.metrics import Prediction
from training.evaluation.samples import Sample
from training.paper import ablation_results, table_1
from training.paper.ablation_results import AblationResult
from training.paper.ablations import ABLATIONS
from training.sft.profiles import Variant

ELSEWHERE = "trained elsewhere"


@dataclass(frozen=True, slots=True)
class OutsideRow:
    """A row of table 1 with the checkpoint that was trained for it."""

    name: str
    checkpoint: Checkpoint


def read_outside_rows(given: Sequence[tuple[str, Path]], model: Checkpoint, options: EngineOptions) -> list[OutsideRow]:
    """Read the checkpoints that are given for rows of the table about `model`.

    Raises: BadSettings for a row that is not trained, for a directory without a checkpoint of this prompt version and
        vocabulary, and for one that does not fit the machine.
    """
    rows = [OutsideRow(_check_row(name), Checkpoint.read(directory)) for name, directory in given]
    vocabulary = _read_vocabulary(model) if rows else {}
    for row in rows:
        own = _read_vocabulary(row.checkpoint)
        if own != vocabulary:
            raise BadSettings(
                f"{row.checkpoint.path} has another vocabulary than {model.path} ({len(own):,} and "
                f"{len(vocabulary):,} tokens); a row of table 1 is trained from the same model: name such a checkpoint"
            )
        refuse_unfit_engine(row.checkpoint.path, options)
    return rows


def judge_outside_rows(
    rows: Sequence[OutsideRow],
    samples: Sequence[Sample],
    setup: EngineSetup,
    file: Path,
    on_engine: OnEngine = run_on_engine,
) -> None:
    """Judge the rows' checkpoints, and write `file` after each. Raises: BadSettings, EngineDead."""
    commit = provenance.read_commit(provenance.CHECKOUT)
    for row in rows:
        print(f"row {row.name}, {ELSEWHERE}: {row.checkpoint.path}", file=sys.stderr)
        trained_on = row.checkpoint.card.trained_on
        result = AblationResult(
            measure_row(row.name, row.checkpoint, samples, setup, on_engine),
            commit,
            None,
            f"{datetime.now(UTC):%Y-%m-%d}",
            describe_weights(row.checkpoint),
            [f"{ELSEWHERE} on {trained_on[:19]}" if trained_on else ELSEWHERE],
        )
        ablation_results.write_result(file, row.name, result)
        print(f"{row.name}: Acc {result.figures['acc']}")


def measure_row(
    name: str, checkpoint: Checkpoint, samples: Sequence[Sample], setup: EngineSetup, on_engine: OnEngine
) -> dict[str, Metric]:
    """Return the metrics of a checkpoint, asked in the variant of its row. Raises: BadSettings, EngineDead."""
    variant = ABLATIONS[name].variant
    predict = partial(predict_variant, variant, samples, concurrency=setup.concurrency)
    return table_1.measure_ablation(variant, on_engine(checkpoint, setup, predict))


async def predict_variant(
    variant: Variant, samples: Sequence[Sample], engine: VisionEngine, *, concurrency: int
) -> Sequence[Prediction]:
    """Return the predictions of the engine's checkpoint, asked in the variant that it was trained for.

    Raises: EngineDead.
    """
    pass_ = evaluate.Pass(one_turn=None if variant == "two_turn" else variant)
    predictions = await evaluate.predict(samples, engine, concurrency=concurrency, passes={variant: pass_})
    return predictions[variant]


def describe_weights(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.name}, weights {digest_weights(checkpoint)}"


def digest_weights(checkpoint: Checkpoint) -> str:
    """Return a digest of the weights alone: calibrating a checkpoint does not make it another start."""
    digest = sha256()
    for file in sorted(checkpoint.path.glob("*.safetensors")):
        with file.open("rb") as stream:
            digest.update(file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _check_row(name: str) -> str:
    if name in ABLATIONS:
        return name
    trained = ", ".join(ABLATIONS)
    if name in table_1.TITLES:
        raise BadSettings(f"the row {name} asks MODEL itself with other crops; rows that are trained are {trained}")
    raise BadSettings(f"there is no row {name} in table 1; rows that are trained are {trained}")


def _read_vocabulary(checkpoint: Checkpoint) -> Mapping[str, int]:
    try:
        vocabulary: Mapping[str, int] = AutoTokenizer.from_pretrained(checkpoint.path).get_vocab()
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:300]
        raise BadSettings(f"the checkpoint {checkpoint.path} has no tokenizer that can be read: {reason}") from error
    return vocabulary
