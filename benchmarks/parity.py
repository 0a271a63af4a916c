"""Compares the engine's scores with the float64 recurrent form, for all test users and items.

The scores are those before each user's last test target. Reports the largest difference of a
score, relative to the user's largest score, and the share of users with the same top 10. `make
parity RUN=runs/mine` runs it. With `--weights int8` or `f16`, both have the weights of a file whose
table and matrices are rounded.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from recgrela import EdgeScorer
from recgrela_train.data import EvaluationBatch, EvaluationBatches, load_dataset
from recgrela_train.evaluation.hidden import hidden_before
from recgrela_train.export.model_file import export_model
from recgrela_train.export.quantize import round_table, rounded_model
from recgrela_train.export.weight_types import WeightType
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import best_checkpoint
from recgrela_train.networks.grela import RecGrela
from rich.progress import track

TOLERANCE = 1e-4  # of the largest score of the user
SAME_TOP = 0.999  # of the users
K = 10


def main() -> int:
    """Compare and print; return exit status 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run", type=Path, help="folder of a run; its data must still be at their path"
    )
    parser.add_argument(
        "--weights", type=WeightType, choices=list(WeightType), default=WeightType.F32, help="(f32)"
    )
    parser.add_argument("--output", type=Path, help="also write the results to this JSON file")
    options = parser.parse_args()

    trained = load_checkpoint(best_checkpoint(options.run))
    model, config, ids = trained.model, trained.config, trained.item_ids
    dataset = load_dataset(config.data, ids, trained.kinds)
    targets = dataset.targets("test")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        weights = options.weights
        export_model(model, ids, path, weights, weights, kinds=trained.kinds)
        scorer = EdgeScorer.load(path)
    reference = rounded_model(model, round_table(model, weights), weights).double()

    differences, same, events = [], 0, 0
    targets = targets.take(targets.last)
    batches = EvaluationBatches(dataset, targets, 128, gaps=model.gaps is not None)
    for batch in track(batches, "comparing"):
        expected = _expected(reference, batch)
        for row, history in enumerate(batch.histories):
            items = dataset.item_ids[history - 1]
            scorer.reset()
            kinds = batch.kinds and [trained.kinds[code] for code in batch.kinds[row]]
            times = None
            if scorer.uses_times:
                user = targets.users[batch.places[row]]
                times = dataset.seconds_of(user)[: len(items)]
            scorer.extend(items, kinds=kinds, times=times)
            events += len(items)
            scores = scorer.score(dataset.item_ids)
            largest = np.abs(expected[row]).max()
            differences.append(np.abs(scores - expected[row]).max() / largest)
            same += np.array_equal(_top(scores), _top(expected[row]))
    result = {
        "users": len(differences),
        "events": events,
        "longest_history": int(max(len(h) for h in batch.histories)),
        "largest_relative_difference": float(max(differences)),
        "median_relative_difference": float(np.median(differences)),
        "same_top_10": same / len(differences),
        "isa": scorer.isa,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")
    missed = result["largest_relative_difference"] > TOLERANCE or result["same_top_10"] < SAME_TOP
    return int(missed)


def _expected(reference: RecGrela, batch: EvaluationBatch) -> np.ndarray:
    """Scores [B, N] of the recurrent form in float64."""
    with torch.inference_mode():
        return reference.scores(hidden_before(reference, batch, form="recurrent")).numpy()


def _top(scores: np.ndarray) -> np.ndarray:
    """The top K items, ties by catalogue order."""
    return np.argsort(-scores, kind="stable")[:K]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
