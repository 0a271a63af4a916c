"""Full-ranking evaluation with two read-outs of the same model.

`window` feeds it the last `evaluate.window` events from an empty state, as published results do.
`stream` passes the whole history through the state, as the deployed engine does; a model without
a state has no such read-out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from ..config import Config, EvaluateConfig
from ..data import TOO_FEW_EVENTS, DataError, Dataset, EvaluationBatch, EvaluationBatches
from ..data.dataset import HeldOutSplit
from ..distributed import gathered, this_shard
from ..networks.recommender import Recommender
from .measurement import Measurement
from .metrics import ranks

SPLITS: tuple[HeldOutSplit, ...] = ("validation", "test")
BEST = 10  # length of a list of recommendations
PIECE = 256  # positions of a long history in memory at once


def rank_targets(
    model: Recommender, batch: EvaluationBatch, readout: str, settings: EvaluateConfig
) -> np.ndarray:
    """Rank of each user's held-out item, [B]. The model must be in evaluation mode."""
    return rank_scores(item_scores(model, batch, readout, settings), batch, settings)


@torch.inference_mode()
def item_scores(
    model: Recommender, batch: EvaluationBatch, readout: str, settings: EvaluateConfig
) -> Tensor:
    """Scores of all items given each history, [B, N]; column j is item j + 1."""
    hidden = last_hidden(model, batch, settings.window if readout == "window" else None)
    # Half precision would round close scores to ties, which count against the model.
    with torch.autocast(hidden.device.type, enabled=False):
        return model.scores(hidden.to(model.embedding.weight.dtype))


def rank_scores(scores: Tensor, batch: EvaluationBatch, settings: EvaluateConfig) -> np.ndarray:
    """Rank of each user's held-out item, [B], given the scores of all items [B, N]."""
    seen = None
    if settings.exclude_seen != "none":
        window = settings.window if settings.exclude_seen == "window" else None
        seen = _seen(batch, scores.shape[1], window).to(scores.device)
    return ranks(scores, batch.targets.to(scores.device) - 1, seen).cpu().numpy()


def best_unseen(scores: Tensor, batch: EvaluationBatch) -> np.ndarray:
    """Recommendations for each user, [B, BEST] item indices, best first; items seen are excluded.

    0 where fewer items are left.
    """
    seen = _seen(batch, scores.shape[1]).to(scores.device)
    top = scores.masked_fill(seen, -torch.inf).topk(min(BEST, scores.shape[1]))
    return torch.where(top.values > -torch.inf, top.indices + 1, 0).cpu().numpy()


@torch.inference_mode()
def last_hidden(
    model: Recommender, batch: EvaluationBatch, window: int | None = None, **options: Any
) -> Tensor:
    """Hidden vector after each user's last event, [B, D], given the last `window` events or all.

    `options`, such as `form`, are passed to the model.
    """
    pieces = batch.chunks(PIECE) if window is None else [batch.last(window)]
    state = None
    last: Tensor | None = None
    for piece in pieces:
        hidden, state = model(piece.to(model.embedding.weight.device), state, **options)
        events = (piece != 0).sum(1).to(hidden.device)
        index = (events - 1).clamp(min=0)[:, None, None].expand(-1, 1, hidden.shape[-1])
        here = hidden.gather(1, index).squeeze(1)
        last = here if last is None else torch.where(events[:, None] > 0, here, last)
    assert last is not None  # a batch has users
    return last


def _seen(batch: EvaluationBatch, num_items: int, window: int | None = None) -> Tensor:
    """[B, N], True for the items of each history, or of its last `window` events."""
    seen = torch.zeros(len(batch.histories), num_items, dtype=torch.bool)
    for row, history in enumerate(batch.histories):
        seen[row, torch.from_numpy(history[-(window or 0) :].astype(np.int64)) - 1] = True
    return seen


def measure(
    model: Recommender, dataset: Dataset, settings: EvaluateConfig, console: Console
) -> Measurement:
    """Ranks in both splits by each of its read-outs, and recommendations for the test split."""
    model.eval()

    def scores(batch: EvaluationBatch, readout: str) -> Tensor:
        return item_scores(model, batch, readout, settings)

    return measure_scores(scores, model.readouts, dataset, settings, console)


def measure_scores(
    scores: Callable[[EvaluationBatch, str], Tensor],
    readouts: Sequence[str],
    dataset: Dataset,
    settings: EvaluateConfig,
    console: Console,
) -> Measurement:
    """`measure` for a function from a batch and a read-out to the scores of all items [B, N].

    Distributed processes measure a shard of the users each; all return the whole measurement.
    """
    lengths: dict[str, np.ndarray] = {}
    ranks_of: dict[str, dict[str, np.ndarray]] = {}
    best: dict[str, np.ndarray] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for split in SPLITS:
            held_out = dataset.held_out(split)
            if not len(held_out.users):
                raise DataError(TOO_FEW_EVENTS)
            lengths[split] = held_out.stops - held_out.starts
            ranks_of[split] = {}
            for readout in readouts:
                batches = EvaluationBatches(dataset, split, settings.batch_size, this_shard())
                # Allocated once: small arrays kept from each batch would fragment the heap.
                users = np.empty(len(held_out.users), np.int64)
                rows = np.empty((len(users), 1 + min(BEST, dataset.num_items)), np.int64)
                done = 0
                for batch in progress.track(batches, description=f"{split}, {readout}"):
                    here = scores(batch, readout)
                    part = slice(done, done := done + len(batch.users))
                    users[part] = batch.users
                    rows[part, 0] = rank_scores(here, batch, settings)
                    rows[part, 1:] = best_unseen(here, batch)
                order = np.argsort(gathered(users[:done]))
                by_user = gathered(rows[:done])[order]
                ranks_of[split][readout] = by_user[:, 0]
                best[readout] = by_user[:, 1:]  # the test split, which comes last, stays
    return Measurement(held_out.users, lengths, ranks_of, best, dataset.fingerprint)


def print_metrics(
    console: Console,
    result: dict[str, Any],
    config: Config,
    dataset: Dataset,
    splits: Sequence[HeldOutSplit],
) -> None:
    """Prints one table of these splits and all read-outs, with the settings of the evaluation."""
    columns = [(split, readout) for split in splits for readout in result[split]]
    source = escape(config.data.source)
    table = Table(title=f"{source}: full ranking over {dataset.num_items:,} items")
    table.add_column("metric")
    for split, readout in columns:
        table.add_column(f"{split}\n{readout}", justify="right")
    for metric in result[splits[0]]["window"]:
        values = [f"{result[split][readout][metric]:.4f}" for split, readout in columns]
        table.add_row(metric.upper(), *values, end_section=metric.startswith("mrr"))
    table.caption = conditions(config, dataset)
    console.print(table)


def conditions(config: Config, dataset: Dataset) -> str:
    """The settings of the evaluation, as a phrase."""
    ties: str = config.data.ties
    if ties == "random":
        ties += f", seed {config.data.tie_seed}"
    excluded = {"none": "no seen items", "window": "items of the window", "history": "seen items"}
    return (
        f"window: last {config.evaluate.window} events, stream: whole history; "
        f"{excluded[config.evaluate.exclude_seen]} excluded "
        f"(exclude_seen={config.evaluate.exclude_seen}); ties in time: {ties}; "
        f"{config.data.min_events}-core, {dataset.num_users:,} users; score ties count against "
        "the model"
    )


def print_by_length(console: Console, result: dict[str, Any], split: str) -> None:
    """Prints NDCG@10 of a split by length of history, if there are both read-outs."""
    rows = [row for row in result["by_length"][split] if "stream-window" in row]
    table = Table(title=f"NDCG@10 by length of history, {split}")
    for column in ("events", "users", "stream", "window", "stream - window (95%)"):
        table.add_column(column, justify="left" if column == "events" else "right")
    for row in rows:
        difference, low, high = row["stream-window"]
        values = [f"{row[readout][0]:.4f}" for readout in ("stream", "window")]
        paired = f"{difference:+.4f} ({low:+.4f}, {high:+.4f})"
        table.add_row(row["events"], f"{row['users']:,}", *values, paired)
    if rows:
        console.print(table)
