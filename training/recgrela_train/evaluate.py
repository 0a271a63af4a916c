"""Full-ranking evaluation with two read-outs of the same model.

`window` shows it the last `evaluate.window` events from an empty state, as published results do;
`stream` passes the whole history through the state, as the deployed engine does.
"""

import json
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from .config import Config, EvaluateConfig
from .data import Dataset, EvaluationBatch, EvaluationBatches
from .files import write_atomically
from .metrics import ranks, summarize
from .model import RecGrela

READOUTS = ("stream", "window")
SPLITS = ("validation", "test")
PIECE = 256  # positions of a long history that are in memory at once


@torch.inference_mode()
def rank_targets(
    model: RecGrela, batch: EvaluationBatch, readout: str, settings: EvaluateConfig
) -> np.ndarray:
    """Rank of each user's held-out item, [B]. The model is to be in evaluation mode."""
    hidden = last_hidden(model, batch, settings.window if readout == "window" else None)
    seen = _seen(batch, model.num_items).to(hidden.device) if settings.mask_seen else None
    targets = batch.targets.to(hidden.device) - 1
    # Half precision gives near scores one value, and equal scores count against the model.
    with torch.autocast(hidden.device.type, enabled=False):
        scores = model.scores(hidden.to(model.embedding.weight.dtype))
    return ranks(scores, targets, seen).cpu().numpy()


@torch.inference_mode()
def last_hidden(
    model: RecGrela, batch: EvaluationBatch, window: int | None = None, form: str = "chunked"
) -> Tensor:
    """Hidden vector after each user's last event, [B, D]: of the last `window` events, or all."""
    pieces = batch.chunks(PIECE) if window is None else [batch.last(window)]
    state, last = None, None
    for piece in pieces:
        hidden, state = model(piece.to(model.embedding.weight.device), state, form)
        events = (piece != 0).sum(1).to(hidden.device)
        at = (events - 1).clamp(min=0)[:, None, None].expand(-1, 1, hidden.shape[-1])
        here = hidden.gather(1, at).squeeze(1)
        last = here if last is None else torch.where(events[:, None] > 0, here, last)
    return last


def _seen(batch: EvaluationBatch, num_items: int) -> Tensor:
    """[B, N], True for the items of each whole history, also where `window` saw only its end."""
    seen = torch.zeros(len(batch.histories), num_items, dtype=torch.bool)
    for row, history in enumerate(batch.histories):
        seen[row, torch.from_numpy(history).long() - 1] = True
    return seen


def evaluate(model: RecGrela, dataset: Dataset, settings: EvaluateConfig) -> dict:
    """{"validation": {"stream": {"hr@5": ..., ...}, "window": {...}}, "test": {...}}."""
    model.eval()
    result = {}
    for split in SPLITS:
        batches = EvaluationBatches(dataset, split, settings.batch_size)
        result[split] = {
            readout: summarize(
                np.concatenate([rank_targets(model, b, readout, settings) for b in batches])
            )
            for readout in READOUTS
        }
    return result


def write_metrics(path: Path, result: dict, config: Config) -> None:
    """The metrics and the config that they hold for, as JSON."""
    content = {**result, "config": config.model_dump()}
    write_atomically(path, json.dumps(content, indent=2).encode())


def print_metrics(console: Console, result: dict, config: Config, dataset: Dataset) -> None:
    """One table of both splits and read-outs, with the settings that decide its figures."""
    columns = [(split, readout) for split in SPLITS for readout in READOUTS]
    table = Table(title=f"{config.data.source}: full ranking over {dataset.num_items:,} items")
    table.add_column("metric")
    for split, readout in columns:
        table.add_column(f"{split}\n{readout}", justify="right")
    for metric in result["test"]["stream"]:
        values = [f"{result[split][readout][metric]:.4f}" for split, readout in columns]
        table.add_row(metric.upper(), *values, end_section=metric.startswith("mrr"))
    ties = config.data.ties + (f", seed {config.seed}" if config.data.ties == "random" else "")
    seen = "left out" if config.evaluate.mask_seen else "ranked too"
    table.caption = (
        f"window: last {config.evaluate.window} events, stream: whole history; items seen {seen} "
        f"(mask_seen={str(config.evaluate.mask_seen).lower()}); equal times: {ties}; "
        f"{config.data.min_events}-core, {dataset.num_users:,} users; score ties count against "
        "the model"
    )
    console.print(table)
