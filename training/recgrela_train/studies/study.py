"""Variants of one config, trained one after the other and compared.

FOLDER/NAME/       a variant's run, as written by `fit`; finished once it has metrics.json
FOLDER/NAME-SEED/  its run with another seed
FOLDER/table.json  one row per variant: settings, cost and metrics
FOLDER/table.png   NDCG@10 of the variants with their intervals
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from ..config import Config, ConfigError, change_config, changed_settings, parse_saved
from ..data import Dataset
from ..evaluation.bootstrap import INTERVALS, differences
from ..evaluation.card import about
from ..evaluation.counting import COUNTING, measure_counts
from ..evaluation.measurement import (
    Measurement,
    common_readout,
    on_equal_targets,
    read_measurement,
    write_measurement,
)
from ..evaluation.summary import summary
from ..files import write_atomically
from ..fitting.checkpoints import (
    any_checkpoint,
    best_checkpoint,
    last_checkpoint,
    load_checkpoint,
)
from ..fitting.fit import RunError, fit
from ..fitting.measure import measure_checkpoint
from .plot import draw
from .seeds import mean_of, spread

Row = dict[str, Any]
Cells = Callable[[Row], list[str]]

BASE = "base"
METRIC = "ndcg@10"
EARLY = 4  # epochs; a best epoch before it is suspicious

ABLATIONS: dict[str, list[str]] = {
    "no-gate": ["model.gate=false"],
    "no-local-conv": ["model.local_conv=false"],
    "no-rotary": ["model.positions=none"],
    "learned-positions": ["model.positions=learned"],
    "hydra": ["model.num_heads={hidden_size}"],
    "no-decay": ["model.decay=none"],
    "learned-decay": ["model.decay=learned"],
    "no-gaps": ["model.gaps=false"],
}
"""The paper's ablations, Hydra attention (one head per feature), decay on or off, and no gaps."""

KINDS = ("grela", "sasrec", "gru4rec", "lrurec")


@dataclass(frozen=True)
class Variant:
    """One row of the table."""

    name: str
    config: Config
    settings: list[str]  # changes to the study's config
    counting: bool = False


def ablations(config: Config) -> list[Variant]:
    """The config itself, and each ablation that changes it.

    Raises ConfigError for a network that has no ablations.
    """
    if config.model.kind not in ("grela", "bidirectional"):
        raise ConfigError(
            f"model.kind={config.model.kind} has none of the parts that ablations remove: "
            "choose grela or bidirectional"
        )
    variants = [Variant(BASE, config, [])]
    for name, template in ABLATIONS.items():
        settings = [s.format(hidden_size=config.model.hidden_size) for s in template]
        if name == "learned-decay" and config.model.kind == "bidirectional":
            continue  # it has no decay
        changed = change_config(config, settings)
        if changed != config:
            variants.append(Variant(name, changed, settings))
    return variants


def comparison(config: Config) -> list[Variant]:
    """The causal model and every baseline. Gaps between events are for the causal model only."""
    settings = {kind: [f"model.kind={kind}"] for kind in KINDS}
    if config.model.gaps:
        for kind in KINDS[1:]:
            settings[kind].append("model.gaps=false")
    networks = [Variant(kind, change_config(config, s), s) for kind, s in settings.items()]
    return [*networks, *(Variant(name, config, [], counting=True) for name in COUNTING)]


def choose(variants: list[Variant], only: list[str]) -> list[Variant]:
    """The first variant, the base of all comparisons, and those named in `only`; all if empty.

    Raises ConfigError for an unknown name.
    """
    names = [variant.name for variant in variants]
    for name in only:
        if name not in names:
            raise ConfigError(f"--only {name}: not a variant. Variants: {', '.join(names)}")
    return [v for v in variants if not only or v.name in (*only, names[0])]


def run_study(
    variants: list[Variant],
    dataset: Dataset,
    device: torch.device,
    folder: Path,
    console: Console,
    seeds: int = 1,
) -> list[Row]:
    """Train and measure unfinished runs; returns the table's rows in order of the variants.

    Each network is trained with `seeds` consecutive seeds from the config's; its row has the means.

    Raises RunError if the folder holds a run with other settings. On KeyboardInterrupt finished
    runs are kept, and the current run can be resumed.
    """
    measured = []
    for number, variant in enumerate(variants, 1):
        settings = " ".join(variant.settings)
        console.print(f"{variant.name} ({number} of {len(variants)}) {settings}", highlight=False)
        runs = _runs(variant, folder, seeds)
        for run, config in runs.items():
            if len(runs) > 1:
                console.print(f"{variant.name}, seed {config.seed}", highlight=False)
            if _finished(run, config):
                console.print(f"finished before: {run}", highlight=False, soft_wrap=True)
            else:
                _run(variant, config, dataset, device, run, console)
        measured.append(mean_of([_measured(run, dataset) for run in runs]))
    measured = on_equal_targets(measured)
    with console.status(INTERVALS):
        rows = [
            _row(variant, _runs(variant, folder, seeds), mean)
            for variant, mean in zip(variants, measured, strict=True)
        ]
        _add_differences(rows, measured)
    return rows


def _runs(variant: Variant, folder: Path, seeds: int) -> dict[Path, Config]:
    """The folder and config of each seed; a counting baseline does not depend on the seed."""
    first = variant.config
    runs = {folder / variant.name: first}
    for seed in range(first.seed + 1, first.seed + (1 if variant.counting else seeds)):
        runs[folder / f"{variant.name}-{seed}"] = change_config(first, [f"seed={seed}"])
    return runs


def _finished(run: Path, config: Config) -> bool:
    """Whether the run has been measured. Raises RunError if its config differs."""
    path = run / "metrics.json"
    if not path.exists():
        return False
    saved = parse_saved(json.loads(path.read_bytes())["config"])
    changes = [f"{k} was {old!r}, is {new!r}" for k, old, new in changed_settings(saved, config)]
    if changes:
        raise RunError(
            f"{run} was trained with other settings ({'; '.join(changes)}): choose another folder "
            "with --output"
        )
    return True


def _measured(run: Path, dataset: Dataset) -> Measurement:
    """The results of a finished run. Raises RunError if its histories differ."""
    measurement = read_measurement(run / "metrics.json")
    if measurement.data != dataset.fingerprint:
        raise RunError(
            f"{run} was trained on other histories: the content of data.source changed. Restore "
            "the old file, or choose another folder with --output"
        )
    return measurement


def _run(
    variant: Variant,
    config: Config,
    dataset: Dataset,
    device: torch.device,
    run: Path,
    console: Console,
) -> None:
    if variant.counting:
        measurement = measure_counts(
            COUNTING[variant.name](dataset), dataset, config.evaluate, console
        )
    else:
        resume = any_checkpoint(run)
        best = fit(config, dataset, run, resume=resume, console=console)
        trained = load_checkpoint(best)
        measurement = measure_checkpoint(trained, config, dataset, device, console)
    with console.status(INTERVALS):
        metrics = summary(measurement, config.evaluate.window) | about(dataset)
    write_measurement(run / "metrics.json", measurement, metrics, config)


def _row(variant: Variant, runs: dict[Path, Config], mean: Measurement) -> Row:
    """A variant's settings, cost and metrics, averaged over its runs."""
    counted = COUNTING[variant.name] if variant.counting else None
    return {
        "name": variant.name,
        "settings": variant.settings,
        **(_cost(list(runs)) if counted is None else {"state_bytes": counted.state_bytes}),
        **summary(mean, variant.config.evaluate.window),
        "config": variant.config.model_dump(),
        "seeds": [config.seed for config in runs.values()],
        "spread": spread(mean),
    }


def _cost(runs: list[Path]) -> Row:
    """Size of a trained network; medians over runs of the epochs and of their duration."""
    best, last = (
        [load_checkpoint(path(run)) for run in runs] for path in (best_checkpoint, last_checkpoint)
    )
    return {
        "parameters": sum(p.numel() for p in best[0].model.parameters()),
        "state_bytes": best[0].model.state_bytes(),
        "epochs": statistics.median_low(each.epochs for each in last),
        "best_epoch": statistics.median_low(each.epochs for each in best),
        "seconds_per_epoch": statistics.median(s for each in last for s in each.epoch_seconds),
    }


def _add_differences(rows: list[Row], measured: list[Measurement]) -> None:
    """Adds the paired difference from the first row, with its interval, to each other row."""
    readout = common_readout(rows)
    first, *others = [measurement.test.ranks[readout] for measurement in measured]
    users = measured[0].test.users
    for row, rank in zip(rows[1:], others, strict=True):
        row["difference"] = {
            "readout": readout,
            METRIC: list(differences(rank, first, users)[METRIC]),
        }


def early_stops(rows: list[Row]) -> list[str]:
    """Warnings of networks that early stopping ended soon after their first epochs."""
    warnings = []
    for row in rows:
        train = row["config"]["train"]
        limit = min(train["max_epochs"], train["stop_after"] or train["max_epochs"])
        if row.get("best_epoch", EARLY) < EARLY and row["epochs"] < limit:
            warnings.append(
                f"{row['name']} stopped after epoch {row['epochs']}, its best was epoch "
                f"{row['best_epoch']}: it may have stopped in a dip, before it learned. Compare "
                f"again with a larger train.patience (now {train['patience']})"
            )
    return warnings


def write_study(rows: list[Row], folder: Path, title: str) -> list[Path]:
    """Writes the table as JSON and as a plot; returns the paths."""
    readout = common_readout(rows)
    paths = [folder / "table.json", folder / "table.png"]
    write_atomically(paths[0], json.dumps(rows, indent=2).encode())
    write_atomically(paths[1], draw(rows, readout, METRIC, title))
    return paths


def print_study(console: Console, rows: list[Row], title: str) -> None:
    """Prints two tables with one row per variant: metrics and costs."""
    readout, base = common_readout(rows), rows[0]["name"]
    ranks = ("validation", "stream", "window", f"{readout} minus {base}, 95%")
    runs = len(rows[0]["seeds"])
    of_seeds = f", mean +- standard deviation of {runs} seeds" if runs > 1 else ""
    _print(console, rows, f"{title}: {METRIC.upper()}, test{of_seeds}", ranks, _rank_cells)
    costs = ("parameters", "bytes/user", "epochs", "best epoch", "s/epoch")
    _print(console, rows, "Cost", costs, _cost_cells)


def _print(
    console: Console, rows: list[Row], title: str, columns: Sequence[str], cells: Cells
) -> None:
    table = Table("", title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row["name"], *cells(row))
    console.print(table)


def _rank_cells(row: Row) -> list[str]:
    def value_of(split: str, readout: str) -> str:
        if readout not in row[split]:
            return "-"
        mean, deviation = (part[split][readout][METRIC] for part in (row, row["spread"]))
        return f"{mean:.4f} +- {deviation:.4f}" if len(row["seeds"]) > 1 else f"{mean:.4f}"

    main = "stream" if "stream" in row["validation"] else "window"
    difference = "-"
    if "difference" in row:
        value, low, high = row["difference"][METRIC]
        difference = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
    test = [value_of("test", readout) for readout in ("stream", "window")]
    return [value_of("validation", main), *test, difference]


def _cost_cells(row: Row) -> list[str]:
    keys = ("parameters", "state_bytes", "epochs", "best_epoch")
    counts = [f"{row[key]:,}" if key in row else "-" for key in keys]
    seconds = row.get("seconds_per_epoch")
    return [*counts, "-" if seconds is None else f"{seconds:.1f}"]
