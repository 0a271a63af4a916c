"""Whether training finds how the next item depends on the kind of the event.

Synthetic events (`recgrela-train synth --kinds`) have a known optimum, with and without kinds. A
network that knows the kinds has to come within WITHIN of the first, and one that does not know them
has to stay below BELOW of it: otherwise the test would show nothing. `make kinds` runs it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from recgrela_train import Recommender
from recgrela_train.data.synth import Recipe, optimum
from recgrela_train.data.synth_files import write_synthetic
from rich.console import Console
from rich.table import Table

RECIPE = Recipe(users=1_600, items=64, events=64_000, kinds=True)
METRIC = "ndcg@10"
WITHIN, BELOW = 0.95, 0.75  # of the optimum
SETTINGS = {
    "data.split": "time",
    "model.hidden_size": 32,
    "model.num_layers": 1,
    "model.dropout": 0,
    "model.drop_path": 0,
    "train.window": 50,
    "train.batch_size": 8,
    "train.learning_rate": 0.01,
    "train.schedule": "cosine",
    "train.accelerator": "cpu",
    "evaluate.exclude_seen": "none",  # the optimum excludes none
}


def measured(folder: Path, epochs: int, kind_column: str) -> float:
    """NDCG@10 of the test targets, stream read-out, of a network trained on one thread."""
    torch.set_num_threads(1)
    settings = {"data.source": str(folder), "data.kind_column": kind_column}
    recommender = Recommender({**SETTINGS, **settings, "train.max_epochs": epochs})
    value: float = recommender.fit().evaluate()["test"]["stream"][METRIC]
    return value


def main() -> int:
    """Train, measure and print; return exit status 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kinds", description=__doc__)
    parser.add_argument("--epochs", type=int, default=8, help="of each network (%(default)s)")
    options = parser.parse_args()
    best = optimum(RECIPE.items, kinds=True)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events")
        write_synthetic(RECIPE, events, 1, lambda _: None)
        found = {name: measured(events, options.epochs, name) for name in ("kind", "none")}
    table = Table("data.kind_column", METRIC.upper(), "share of the optimum", "best possible")
    for name, known in (("kind", best[METRIC]), ("none", best[f"without_kinds_{METRIC}"])):
        share = found[name] / best[METRIC]
        table.add_row(name, f"{found[name]:.4f}", f"{share:.1%}", f"{known:.4f}")
    Console().print(table)
    passed = found["kind"] >= WITHIN * best[METRIC] and found["none"] <= BELOW * best[METRIC]
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
