"""What a run's exported file costs in the engine: size, state and latency on this machine."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import Dataset
from ..export.model_file import export_path

USERS = 50
LIST = 10
REPEATS = 5  # of each list; the median counts


@dataclass(frozen=True)
class EngineCost:
    """Measured with histories of the data, on one thread."""

    isa: str
    table: str  # type of the item table
    file_bytes: int
    state_bytes: int  # median over users, with their seen items
    event_us: float  # median over users of the mean over their events
    list_us: float  # median over users
    users: int


def measure_engine(run: Path, dataset: Dataset) -> EngineCost | str:
    """The cost of a run's file, or why there is none."""
    path = export_path(run, None)
    if not path.is_file():
        return f"not exported: recgrela-train export {run}"
    try:
        from recgrela import EdgeScorer
    except ImportError:
        return "the engine is not installed: pip install recgrela"
    try:
        scorer = EdgeScorer.load(path)
    except (OSError, ValueError) as error:
        return f"{path} cannot be loaded: {error}"
    per_event, per_list, state_bytes = [], [], []
    ids = np.asarray(dataset.item_ids, object)
    for user in np.unique(np.linspace(0, dataset.num_users - 1, USERS).astype(int)).tolist():
        items = ids[dataset.history(user) - 1].tolist()
        kinds = dataset.kinds_of(user)
        times = dataset.seconds_of(user) if scorer.uses_times else None
        scorer.reset()
        started = time.perf_counter()
        events = scorer.extend(items, kinds=kinds, times=times, unknown="skip")
        if not events:  # of other data than the file
            continue
        per_event.append((time.perf_counter() - started) / events)
        per_list.append(_median_seconds(lambda: scorer.top_k(LIST)))
        state_bytes.append(scorer.state_bytes)
    if not per_list:
        return f"{path} knows no item of the data"
    return EngineCost(
        isa=scorer.isa,
        table=scorer.table_dtype,
        file_bytes=path.stat().st_size,
        state_bytes=int(statistics.median(state_bytes)),
        event_us=statistics.median(per_event) * 1e6,
        list_us=statistics.median(per_list) * 1e6,
        users=len(per_list),
    )


def _median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
