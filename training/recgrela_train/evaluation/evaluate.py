"""Full-ranking evaluation with two read-outs of the same model.

`window` feeds it the last `evaluate.window` events from an empty state, as published results do.
`stream` passes the whole history through the state, as the deployed engine does; a model without
a state has no such read-out.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from ..config import EvaluateConfig
from ..data import (
    ONLY_FIRST_EVENTS,
    SPLITS,
    TOO_FEW_EVENTS,
    DataError,
    Dataset,
    EvaluationBatch,
    EvaluationBatches,
    sampled,
)
from ..distributed import gathered, this_shard
from ..networks.network import Network
from .hidden import hidden_before
from .measurement import Measurement, SplitResult
from .ranking import MISS, Seen, rank

BEST = 10  # length of a list of recommendations

Scores = Callable[[slice, Tensor], Tensor]
"""From t targets of a batch and n items, by index, to the scores [t, n]."""


def rank_targets(
    model: Network, batch: EvaluationBatch, readout: str, settings: EvaluateConfig
) -> np.ndarray:
    """Rank of each target, [T]. The model must be in evaluation mode."""
    return ranked(item_scores(model, batch, readout, settings), batch, model.num_items, settings)[
        :, 0
    ]


def item_scores(
    model: Network, batch: EvaluationBatch, readout: str, settings: EvaluateConfig
) -> Scores:
    """The scores of items for the targets of a batch."""
    hidden = hidden_before(model, batch, settings.window if readout == "window" else None)

    @torch.inference_mode()
    def scores(targets: slice, items: Tensor) -> Tensor:
        # Half precision would round close scores to ties, which count against the model.
        with torch.autocast(hidden.device.type, enabled=False):
            return model.scores(hidden[targets], items.to(hidden.device))

    return scores


def ranked(
    scores: Scores, batch: EvaluationBatch, num_items: int, settings: EvaluateConfig, best: int = 0
) -> np.ndarray:
    """Ranks of the targets by `settings.exclude_seen` and by the other choice, and the best items.

    [T, 2 + best]. The other choice is OTHER_EXCLUSION of it. The best items are not in the history
    or, if that is chosen, not in the window: item indices, best first, 0 where fewer are left.
    """
    window = settings.seen_events or None
    rows = []
    for begin in range(0, len(batch.stops), settings.batch_size):
        part = slice(begin, begin + settings.batch_size)
        here = batch.take(part)
        found = rank(partial(scores, part), here.items, Seen.before(here, window), num_items, best)
        both = [found.among_all, found.among_unseen]
        if settings.exclude_seen != "none":
            both.reverse()
        rows.append(torch.column_stack([*both, found.best]).cpu().numpy())
    return np.concatenate(rows)


def measure(
    model: Network, dataset: Dataset, settings: EvaluateConfig, console: Console
) -> Measurement:
    """Ranks in both splits by each of its read-outs, and recommendations for the test split."""
    model.eval()

    def scores(batch: EvaluationBatch, readout: str) -> Scores:
        return item_scores(model, batch, readout, settings)

    firsts, gaps = model.start is not None, model.gaps is not None
    return measure_scores(
        scores, model.readouts, dataset, settings, console, firsts=firsts, gaps=gaps
    )


def measure_scores(
    scores_of: Callable[[EvaluationBatch, str], Scores],
    readouts: Sequence[str],
    dataset: Dataset,
    settings: EvaluateConfig,
    console: Console,
    *,
    firsts: bool,
    gaps: bool = False,
) -> Measurement:
    """`measure` for a function from a batch and a read-out to scores.

    Without `firsts`, targets that have no event before them are omitted. With `gaps`, batches have
    them. Distributed processes measure a shard of the users each; all return the whole measurement.
    Raises DataError if there is no test target.
    """
    splits: dict[str, SplitResult] = {}
    best: dict[str, np.ndarray] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for split in SPLITS:
            targets = sampled(dataset.targets(split), settings.max_users, firsts=firsts)
            known = np.flatnonzero(targets.known)
            asked = targets.take(known)
            ranks, others = {}, {}
            for readout in readouts if len(known) else ():
                batches = EvaluationBatches(
                    dataset, asked, settings.batch_size, this_shard(), gaps=gaps
                )
                shown = progress.track(batches, description=f"{split}, {readout}")
                scored = ((batch, scores_of(batch, readout)) for batch in shown)
                size = min(BEST, dataset.num_items) if split == "test" else 0
                rows = _rows(scored, len(known), dataset.num_items, settings, size)
                ranks[readout], others[readout] = np.full((2, len(targets)), MISS)
                ranks[readout][known], others[readout][known] = rows[:, :2].T
                if size:
                    best[readout] = rows[asked.last, 2:]
            if ranks:
                splits[split] = SplitResult.of(dataset, split, targets, ranks, others)
    if "test" not in splits:
        if len(dataset.targets("test")) and not len(targets):
            raise DataError(ONLY_FIRST_EVENTS.format(split="test"))
        raise DataError(TOO_FEW_EVENTS)
    return Measurement(splits, known[asked.last], best, dataset.fingerprint)


def _rows(
    scored: Iterable[tuple[EvaluationBatch, Scores]],
    count: int,
    num_items: int,
    settings: EvaluateConfig,
    best: int,
) -> np.ndarray:
    """The rows of `ranked` for all `count` targets, [count, 2 + best]."""
    # Allocated once: small arrays kept from each batch would fragment the heap.
    rows = np.empty((count, 3 + best), np.int64)
    done = 0
    for batch, scores in scored:
        here = slice(done, done := done + len(batch.stops))
        rows[here, 0] = batch.places
        rows[here, 1:] = ranked(scores, batch, num_items, settings, best)
    found = gathered(rows[:done])
    return found[np.argsort(found[:, 0]), 1:]
