"""What `recgrela-train ablate` and `compare` share; imported when one of them runs."""

from collections.abc import Callable
from pathlib import Path

import typer

from ..config import Config, ConfigError, load_config
from ..device import find_device
from ..fitting.launch import find_processes
from ..fitting.measure import check_held_out
from ..recommender import read_training_data
from ..studies.study import Variant, choose, early_stops, print_study, run_study, write_study
from .console import console, errors, say
from .shared import data_warnings, warn


def study(
    variants_of: Callable[[Config], list[Variant]],
    config: Path | None,
    settings: list[str],
    only: list[str],
    seeds: int,
    output: Path,
) -> None:
    """Trains, measures and shows the variants of a config."""
    chosen = load_config(config, settings)
    check_held_out(chosen)
    if find_processes(chosen.train.devices).total > 1:
        raise ConfigError(
            "a study trains its runs in one process: set train.devices=1, and do not use torchrun"
        )
    variants = choose(variants_of(chosen), only)
    device = find_device(chosen.train.accelerator)
    with data_warnings():
        dataset = read_training_data(chosen, console)
    try:
        rows = run_study(variants, dataset, device, output, console, seeds)
    except KeyboardInterrupt:
        say("interrupted. To continue, run the same command again", errors)
        raise typer.Exit(130) from None
    print_study(console, rows, chosen.data.source)
    for warning in early_stops(rows):
        warn(warning)
    if seeds == 1:
        say("one seed each: another seed can change a difference by as much; use --seeds 3 or more")
    for path in write_study(rows, output, chosen.data.source):
        say(f"wrote {path}")
