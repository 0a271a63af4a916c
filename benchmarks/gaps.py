"""Whether training finds how the next item depends on the time between events.

Synthetic events (`Recipe.gaps`) have a known optimum, with and without that time. A network with
`model.gaps` has to come within WITHIN of the first, in the mean of the seeds, and one without has
to stay below BELOW of it: otherwise the test would show nothing. `make gaps` runs it.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from recgrela_train import Recommender
from recgrela_train.data.synth import Recipe, optimum
from recgrela_train.data.synth_files import write_synthetic
from rich.console import Console
from rich.table import Table

from benchmarks.kinds import METRIC, SETTINGS

USERS, ITEMS, EVENTS = 800, 64, 32_000
WITHIN, BELOW = 0.95, 0.85  # of the optimum


def measured(events: Path, seed: int, epochs: int, gaps: bool) -> float:
    """NDCG@10 of the test targets, stream read-out, of a network trained on one thread."""
    torch.set_num_threads(1)
    settings = {"seed": seed, "data.source": str(events), "model.gaps": gaps}
    recommender = Recommender({**SETTINGS, **settings, "train.max_epochs": epochs}, verbose=False)
    value: float = recommender.fit().evaluate()["test"]["stream"][METRIC]
    return value


def main() -> int:
    """Train, measure and print; return exit status 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gaps", description=__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="of each network (%(default)s)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[42, 43, 44], help="of events and networks"
    )
    options = parser.parse_args()
    best = optimum(ITEMS, gaps=True)
    found: dict[bool, list[float]] = {True: [], False: []}
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            events = Path(folder, "events")
            recipe = Recipe(USERS, ITEMS, EVENTS, seed=seed, gaps=True)
            write_synthetic(recipe, events, 1, lambda _: None)
            for gaps, values in found.items():
                values.append(measured(events, seed, options.epochs, gaps))
    table = Table("model.gaps", METRIC.upper(), "share of the optimum", "best possible")
    shares = {}
    for gaps, known in ((True, best[METRIC]), (False, best[f"without_gaps_{METRIC}"])):
        shares[gaps] = statistics.mean(found[gaps]) / best[METRIC]
        each = ", ".join(f"{value:.4f}" for value in found[gaps])
        table.add_row(str(gaps).lower(), each, f"{shares[gaps]:.1%}", f"{known:.4f}")
    Console().print(table)
    return int(not (shares[True] >= WITHIN and shares[False] <= BELOW))


if __name__ == "__main__":
    sys.exit(main())
