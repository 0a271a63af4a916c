"""The production fit: a measured run's settings and epochs, on all events.

A model that is deployed should know the newest events, but those that it is trained on cannot
measure it. So a run is measured on a split, and then repeated without one, for as many epochs as
were best. The metrics of the first run, its twin's, go into the exported file as its card.
"""

import json
from pathlib import Path
from typing import Any

from ..config import Config, Settings, change_config, changed_settings, load_config
from ..data import Dataset
from ..evaluation.card import Card, card_of, data_facts
from .checkpoints import Checkpoint, best_checkpoint, load_checkpoint
from .fit import RunError, card_path, config_path

MAY_DIFFER = (
    "data.source",
    "data.format",
    "data.user_column",
    "data.item_column",
    "data.time_column",
    "data.items",
    "data.kind_column",
    "seed",
    "evaluate.batch_size",
    "train.accelerator",
    "train.devices",
    "train.shard_items",
    "train.checkpoint_steps",
)
"""What a repeated run may change; with other settings, the metrics would not be its own."""


def production_config(run: Path, settings: Settings) -> Config:
    """The settings of a measured run, for all events and as many epochs as were best.

    Raises RunError if it was not measured or `settings` change more than MAY_DIFFER, and
    CheckpointError.
    """
    twin = load_checkpoint(best_checkpoint(run))
    if not twin.config.data.held_out:
        raise RunError(
            f"{run} was itself trained on all events (data.split=none), so it was not measured: "
            "name the run that it repeats, or train one with data.split=time first"
        )
    measured_card(run)
    repeated = ["data.split=none", "data.hold_out_items=none", f"train.stop_after={twin.epochs}"]
    config = change_config(twin.config, repeated)
    changed = change_config(config, settings)
    for key, old, new in changed_settings(config, changed):
        if key not in MAY_DIFFER:
            raise RunError(
                f"--like {run} repeats it with {key}={old}, and {new} was asked for: then its "
                f"metrics would not be those of the new model. Measure a run with {key}={new} "
                "first, and repeat that one"
            )
    return changed


def measured_card(run: Path) -> Card:
    """The card of a measured run, from its metrics.json. Raises RunError if there is none."""
    path = run / "metrics.json"
    again = f"to write it: recgrela-train evaluate {run} --output {path}"
    try:
        card = card_of(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise RunError(f"{run} was not measured, there is no {path}; {again}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not the metrics of a run ({error!r}); {again}") from None
    if card is None:
        raise RunError(f"{path} lacks the facts of its data, which newer versions write; {again}")
    return card


def production_card(run: Path, config: Config, dataset: Dataset) -> Card:
    """The card of the run on all events of `dataset` that repeats `run`."""
    facts = {**data_facts(dataset), "epochs": config.train.stop_after}
    return {"all_events": facts, **measured_card(run)}


def exported_card(trained: Checkpoint) -> Card | None:
    """The card of a checkpoint; None if it was not measured or is not the best of its run."""
    run = trained.path.parent.parent
    if trained.path != best_checkpoint(run):
        return None
    try:
        if trained.config.data.held_out:
            return measured_card(run)
        card: dict[str, Any] = json.loads(card_path(run).read_bytes())
        return card
    except (RunError, OSError, ValueError):
        return None


def deployed_run(config: Config) -> Path:
    """The run whose items a run of `--freeze` extends, perhaps by way of earlier ones.

    Raises ConfigError if the settings of one of them cannot be read.
    """
    run = Path(config.train.start_from or "")
    before = load_config(config_path(run), [])
    return deployed_run(before) if before.train.freeze else run
