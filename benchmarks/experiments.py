"""Changes of a config that docs/experiments.md reports: one run per change and seed, compared.

`make experiments` runs them. A second call skips finished runs and resumes the others.
"""

import argparse
import sys
from pathlib import Path

import typer
from recgrela_train.cli.study import study
from recgrela_train.config import Config, change_config
from recgrela_train.studies.study import BASE, Variant

DROPOUT, LAYERS, WIDTH = "model.dropout=0.1", "model.num_layers=3", "model.hidden_size=128"
GRID = {
    "all-items": ["train.exclude_seen=none"],
    "unseen-items": ["train.exclude_seen=history"],
    "dropout": [DROPOUT],
    "layers": [LAYERS],
    "dropout-layers": [DROPOUT, LAYERS],
    "width": [WIDTH],
    "width-dropout": [WIDTH, DROPOUT],
    "width-dropout-layers": [WIDTH, DROPOUT, LAYERS],
    "sampled": ["train.loss=sampled", "train.negatives=2048"],
    "sasrec": ["model.kind=sasrec"],
    "gru4rec": ["model.kind=gru4rec"],
    "lrurec": ["model.kind=lrurec"],
}


def grid(config: Config) -> list[Variant]:
    """The config itself, and each change of it."""
    changed = [Variant(name, change_config(config, s), s) for name, s in GRID.items()]
    return [Variant(BASE, config, []), *changed]


def main() -> None:
    """Run the experiments, print the table and write it. Bad input ends in one message."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments", description=__doc__)
    config = Path("training/configs/ml-1m.yaml")
    parser.add_argument("--config", type=Path, default=config, help="the base (%(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--only", action="append", default=[], choices=GRID, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="of each experiment (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/experiments"), help="folder")
    options = parser.parse_args()
    try:
        study(grid, options.config, options.settings, options.only, options.seeds, options.output)
    except typer.Exit as interrupted:
        sys.exit(interrupted.exit_code)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
