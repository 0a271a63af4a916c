"""One week's update of a deployed model against a full refit, in accuracy and time.

MovieLens-100K is cut at two dates, a week apart. A run is measured on the events before the first,
and repeated on all of them: the deployed model. The week's events then update it in three ways:

freeze    `fit --from --freeze`: the embeddings of new items only, for FREEZE_EPOCHS epochs
warm      `fit --from`: all weights, for WARM_EPOCHS epochs
refit     `fit --like`: from scratch, for as many epochs as the deployed model

`recgrela-train evaluate` measures all of them on the events after the week. Times are CPU time of
one thread, of the whole command with its start. Each round trains all three in turn, with another
seed.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from recgrela_train.config import load_config
from recgrela_train.data import load_histories, read_pieces, split
from recgrela_train.evaluation.measurement import read_measurement
from recgrela_train.evaluation.metrics import summarize
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint

DEPLOYED, UPDATED, END = "1998-01-01", "1998-01-08", "1998-02-05"
"""The week with the most new items after the first months, and four weeks to measure on."""
FREEZE_EPOCHS, WARM_EPOCHS = 4, 2
CONFIG = "training/configs/demo.yaml"
UPDATES = {
    "freeze": ["--freeze", "--set", f"train.stop_after={FREEZE_EPOCHS}"],
    "warm": ["--set", f"train.stop_after={WARM_EPOCHS}"],
    "refit": [],
}


def command(*words: object) -> float:
    """CPU seconds of a `recgrela-train` command in one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "recgrela_train", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_parts(folder: Path) -> dict[str, Path]:
    """The events before each date, one file each."""
    pieces = [piece.events for piece in read_pieces(load_config(None, []).data)]
    events = pl.concat(pieces).select(user_id="user", item_id="item", timestamp="time")
    files = {}
    for date in (DEPLOYED, UPDATED, END):
        files[date] = folder / f"before-{date}.csv"
        end = datetime.fromisoformat(f"{date}T00:00:00+00:00").timestamp()
        events.filter(pl.col("timestamp") < end).write_csv(files[date])
    return files


def source(path: Path) -> list[str]:
    """The option that names the data."""
    return ["--set", f"data.source={path}"]


def measured(run: Path, events: Path, new: set[int]) -> dict[str, float]:
    """NDCG@10 on the events after the week: of all targets, and of those that are new items."""
    output = run / "after.json"
    dates = ["data.split=time", f"data.validation_from={DEPLOYED}", f"data.test_from={UPDATED}"]
    words = [word for setting in dates for word in ("--set", setting)]
    command("evaluate", run, *source(events), *words, "--output", output)
    rank = read_measurement(output).test.ranks["stream"]
    config = load_config(None, [f"data.source={events}", *dates]).data
    ids = load_checkpoint(best_checkpoint(run)).item_ids
    items = split(load_histories(config), config, ids).targets("test").items
    is_new = np.isin(np.append(ids, -1)[items - 1], list(new))
    return {
        "ndcg@10": summarize(rank)["ndcg@10"],
        "new items": summarize(rank[is_new])["ndcg@10"] if is_new.any() else 0.0,
        "targets": len(rank),
        "new targets": int(is_new.sum()),
    }


def main() -> None:
    """Trains, updates and measures; writes the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/update"))
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    files = write_parts(folder)
    first, deployed = folder / "measured", folder / "deployed"
    if not (first / "metrics.json").exists():
        settings = ["data.split=time", "train.patience=5", f"data.source={files[DEPLOYED]}"]
        words = [word for setting in settings for word in ("--set", setting)]
        command("fit", "--config", CONFIG, *words, "-o", first, "--overwrite")
    if not best_checkpoint(deployed).exists():
        command("fit", "--like", first, "-o", deployed, "--overwrite")
    known = set(load_checkpoint(best_checkpoint(deployed)).item_ids.tolist())
    results: dict[str, list[dict[str, float]]] = {}
    new: set[int] = set()
    for seed in range(42, 42 + options.rounds):
        for name, words in UPDATES.items():
            run = folder / f"{name}-{seed}"
            how = ["--like", first] if name == "refit" else ["--from", deployed]
            settings = [*words, "--set", f"seed={seed}", *source(files[UPDATED])]
            seconds = command("fit", *how, *settings, "-o", run, "--overwrite")
            new = set(load_checkpoint(best_checkpoint(run)).item_ids.tolist()) - known
            row = {"cpu seconds": seconds, **measured(run, files[END], new)}
            results.setdefault(name, []).append(row)
            print(name, seed, row, flush=True)
    results["none"] = [measured(deployed, files[END], new)]
    print("none", results["none"][0], f"{len(new)} new items")
    (folder / "results.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
