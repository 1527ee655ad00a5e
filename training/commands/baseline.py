"""`zoomin-train baseline`: two published detectors trained on our scenes, and their answers as a score file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli import values
from training.cli.image_sets import add_set_options, build_set_options
from training.cli.numbers import parse_positive, parse_training_seed
from training.settings import TrainSettings

if TYPE_CHECKING:
    from training.baselines.run_config import BaselineRun

HELP = "train a published detector without words, and score images with it for `paper-tables --scores`"
EXAMPLE = "zoomin-train baseline npr --backbone resnet18 --out build/npr"
KINDS = {
    "cnnspot": "CNNSpot (Wang et al. 2020): a ResNet on crops that are blurred and stored as JPEG",
    "npr": "NPR (Tan et al. 2024): the residuals of neighbouring pixels before a short ResNet",
}
EXAMPLES = {
    "cnnspot": "zoomin-train baseline cnnspot --data sets/magnifake --out build/cnnspot",
    "npr": EXAMPLE,
    "images": "zoomin-train baseline images --data sets/magnifake --count 1000 --out build/images",
    "score": "zoomin-train baseline score build/npr --data build/images --out build/npr.csv",
}
VALUES = ("seed", "minutes", "scenes", "backbone", "crop_px", "batch", "learning_rate", "augmented_fraction")


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="baseline", required=True, metavar="VERB")
    for kind, meaning in KINDS.items():
        _add_training(_add_verb(verbs, kind, f"train {meaning}; goes on where a killed run stopped"))
    written = _add_verb(verbs, "images", "write the images of the paper's tables, for any detector to score")
    written.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for each set and copy")
    written.add_argument("--no-copies", action="store_true", help="without the perturbed copies of table 3")
    add_set_options(written)
    scored = _add_verb(
        verbs, "score", "score every image below a folder with a trained baseline; goes on where a killed one stopped"
    )
    scored.add_argument("model", type=Path, metavar="DETECTOR", help="directory of a trained baseline")
    scored.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of images, as `baseline images` writes it"
    )
    scored.add_argument("--out", type=Path, required=True, metavar="FILE", help="CSV for `paper-tables --scores`")


def _add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, meaning: str
) -> argparse.ArgumentParser:
    return verbs.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}.",
        epilog=f"Example: {EXAMPLES[name]}",
        allow_abbrev=False,
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="directory for the detector and its log")
    parser.add_argument(
        "--data", type=Path, metavar="SET", help="a labeled set to learn from (default: the tiny model's scenes)"
    )
    parser.add_argument(
        "--seed", type=parse_training_seed, metavar="S", help="seed of crops and weights, 0 to 60 (default 0)"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="minutes of drawing scenes and training (default 30)"
    )
    parser.add_argument("--scenes", type=parse_positive, metavar="N", help="scenes to learn from (default 4000)")
    parser.add_argument(
        "--backbone", choices=("resnet18", "resnet34", "resnet50"), help="network (default resnet50; resnet18 for CPUs)"
    )
    parser.add_argument("--crop-px", type=parse_positive, metavar="PX", help="side of a training crop (default 224)")
    parser.add_argument("--batch", type=parse_positive, metavar="N", help="crops in a step (default 16)")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="largest learning rate (default 1e-3)")
    parser.add_argument(
        "--augmented-fraction",
        type=float,
        metavar="P",
        help="share of crops blurred, and share stored as JPEG (default cnnspot .1, npr 0)",
    )
    values.add_config(parser)


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.baseline == "images":
        return _write_images(args, settings)
    if args.baseline == "score":
        return _score(args, settings)
    baseline = _resolve(args)
    from training.baselines import run as baseline_run

    places = baseline_run.BaselinePlaces(args.out, args.data, settings.cache_directory)
    result = baseline_run.train_baseline(baseline, places, threads=settings.threads, workers=settings.workers)
    print(
        f"{args.out}: {result.steps} steps in {result.seconds / 60:.1f} minutes; score images with "
        f"`zoomin-train baseline score {args.out} --data IMAGES --out FILE`"
    )
    return 0


def _resolve(args: argparse.Namespace) -> "BaselineRun":
    from training.baselines.run_config import resolve_baseline_run
    from training.runs.run_file import read_run_file

    return resolve_baseline_run(args.baseline, values.list_changes(args, VALUES), read_run_file(args.config))


def _write_images(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.detectors import images
    from training.paper import report_sets, tables

    sets = report_sets.collect_sets(build_set_options(args), settings.workers)
    all_sets = {sets.name: sets.samples, **{name: samples for name, (_, samples) in sets.others.items()}}
    perturbed = {name: pass_.perturb for name, pass_ in tables.PASSES.items() if pass_.perturb}
    images.write_images(args.out, all_sets, sets.directories, {} if args.no_copies else {sets.name: perturbed})
    print(f"{args.out}: name each image by its path there in the column `file` of a score file")
    return 0


def _score(args: argparse.Namespace, settings: TrainSettings) -> int:
    import torch

    from training.baselines import networks, scoring, trained
    from training.common.journal import Journal
    from training.detectors import score_file

    torch.set_num_threads(settings.threads)
    device = networks.choose_device()
    baseline, network = trained.read_baseline(args.model, device)
    scorer = scoring.Scorer(network, device, baseline.scaling)
    digest = trained.digest_baseline(args.model)
    kept = args.out.with_name(f"{args.out.name}.answers")
    with Journal(kept) as answers:
        score_file.write_scores(args.out, scoring.score_folder(scorer, args.data, answers, trained=digest))
    kept.unlink()
    print(f"{args.out}: show it with `zoomin-train paper-tables --scores NAME={args.out}`")
    return 0
