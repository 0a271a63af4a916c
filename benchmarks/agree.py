"""Repeats a run's metrics with the engine: the exported file has to yield every one of them.

The events of all users are replayed from the data as a server would process them: one by one,
skipping items that the model does not know. Before each target the engine is asked for its top 20;
a target that is not listed is a miss. Both read-outs and both choices of `evaluate.exclude_seen`
are compared with RUN/metrics.json, to six digits. `make agree RUN=runs/mine` runs it.

Ties: the engine lists items of equal score by ascending index, whereas in the trainer's metrics
they count against the target. So here a target ranks after all items with its score.

Near ties: PyTorch and the engine add float32 numbers in different orders. Where ranks differ, the
run's is accepted if changing the engine's scores by at most NEAR of the largest score yields it.
The number of such ranks is printed, and so are the metrics without accepting them.
"""

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from recgrela import EdgeScorer
from recgrela_train.config import Config, parse_config
from recgrela_train.data import Histories, load_dataset, load_histories
from recgrela_train.data.gaps import SECOND
from recgrela_train.data.split import drop_consecutive
from recgrela_train.data.times import cut_time
from recgrela_train.evaluation.measurement import OTHER_EXCLUSION, Measurement, read_measurement
from rich.console import Console
from rich.progress import track
from rich.table import Table

TOLERANCE = 5e-7
NEAR = 1e-5  # of the largest score; at most 1.8e-6 was measured (tests/engine/test_parity.py)
LISTED = 20
MISS = 2**31 - 1
METRICS = [f"{name}@{k}" for k in (5, 10, 20) for name in ("hr", "ndcg", "mrr")]

Part = tuple[str, str, str]
"""Split, read-out, and the value of evaluate.exclude_seen."""


class Query(NamedTuple):
    """A session before a target, and how to ask it for recommendations."""

    session: EdgeScorer
    item: int | str
    options: dict[str, Any]

    def rank(self) -> int:
        """The target's rank in the top LISTED, or MISS."""
        top = self.session.top_k(LISTED, **self.options)
        ids = top.ids
        if self.item not in ids:
            return MISS
        score = top.scores[ids.index(self.item)]
        if top.scores[-1] == score:  # items that are not listed may have it too
            top = self.session.top_k(self.session.num_items, **self.options)
        rank = int(np.count_nonzero(top.scores >= score))
        return rank if rank <= LISTED else MISS

    def near(self) -> range:
        """The ranks that the target may have if scores change by NEAR of the largest."""
        top = self.session.top_k(self.session.num_items, **self.options)
        if self.item not in (ids := top.ids):
            return range(0)
        score, rounding = top.scores[ids.index(self.item)], NEAR * np.abs(top.scores).max()
        better = np.count_nonzero(top.scores > score + rounding)
        return range(better + 1, np.count_nonzero(top.scores >= score - rounding) + 1)


class Ranked(NamedTuple):
    """The rank of a target of a user, in the run and in the engine."""

    user: int
    run: int
    engine: int
    near_tie: bool  # the ranks differ, by no more than rounding explains

    @classmethod
    def by(cls, query: Query, user: int, run: int) -> "Ranked":
        """The engine's rank beside the run's."""
        engine = query.rank()
        found = cls(user, run, engine, near_tie=False)
        return found._replace(near_tie=found.differs and run in query.near())

    @property
    def differs(self) -> bool:
        """Whether the ranks differ; all ranks beyond LISTED are the same."""
        return self.engine != (self.run if self.run <= LISTED else MISS)

    @property
    def settled(self) -> int:
        """The engine's rank, but the run's at a near tie."""
        return self.run if self.near_tie else self.engine


Options = dict[str, Any]
Ranks = dict[Part, list[Ranked]]


def main() -> int:
    """Compares and prints; returns exit status 1 if a metric differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agree", description=__doc__)
    parser.add_argument(
        "run", type=Path, help="folder of an exported run; its data must still be at their path"
    )
    return agree(parser.parse_args().run)


def agree(run: Path) -> int:
    """Compares and prints the metrics of a run; returns 1 if one differs, otherwise 0.

    Raises ValueError or OSError if the run was not exported, or its data has changed.
    """
    metrics = json.loads((run / "metrics.json").read_bytes())
    config = parse_config(metrics["config"])
    if config.evaluate.max_users is not None:
        raise ValueError(f"{run} was measured on a sample of users: measure all of them")
    scorer = EdgeScorer.load(run / "model.safetensors")
    if scorer.table_dtype != "f32":
        raise ValueError(f"{run}: the table is rounded to {scorer.table_dtype}: export it as f32")
    measurement = read_measurement(run / "metrics.json")
    ids = scorer.item_ids if scorer.id_type == "str" else np.array(scorer.item_ids)
    if load_dataset(config.data, ids, scorer.kinds).fingerprint != measurement.data:
        raise ValueError(f"{run}: its data has changed since it was measured: measure it again")
    histories = load_histories(config.data)
    if config.data.repeats == "drop_consecutive":
        histories = drop_consecutive(histories)
    replay = Replay(scorer, histories, config)
    ranks = replayed(replay, expected_ranks(measurement, config))
    return report(metrics, ranks, config.evaluate.exclude_seen)


def replayed(replay: "Replay", expected: dict[Part, np.ndarray]) -> Ranks:
    """The engine's ranks beside the run's. Raises ValueError if their targets differ in number."""
    ranks: Ranks = {part: [] for part in expected}
    runs = {part: iter(run.tolist()) for part, run in expected.items()}
    for user in track(range(replay.users), "replaying"):
        for part, query in replay.queries(user):
            ranks[part].append(Ranked.by(query, user, next(runs[part], 0)))
    for part, run in expected.items():
        if len(ranks[part]) != len(run):
            raise ValueError(
                f"{part}: the replay has {len(ranks[part])} targets, the run {len(run)}"
            )
    return ranks


def expected_ranks(measurement: Measurement, config: Config) -> dict[Part, np.ndarray]:
    """The ranks that a run has kept, [M] for each part."""
    chosen = config.evaluate.exclude_seen
    return {
        (split, readout, exclusion): ranks[readout]
        for split, result in measurement.splits.items()
        for exclusion, ranks in ((chosen, result.ranks), (OTHER_EXCLUSION[chosen], result.others))
        for readout in ranks
    }


class Replay:
    """The events of a data set, passed through sessions of the engine."""

    def __init__(self, scorer: EdgeScorer, histories: Histories, config: Config):
        self.users = len(histories.user_ids)
        self._stream, self._window = scorer.new_session(), scorer.new_session()
        self._histories = histories
        self._data, self._size = config.data, config.evaluate.window
        chosen = config.evaluate.exclude_seen
        self._exclusions = chosen, OTHER_EXCLUSION[chosen]
        if config.data.split == "time":
            assert histories.times is not None
            self._cuts = [
                cut_time(getattr(config.data, name), histories.times, histories.dated, name)
                for name in ("validation_from", "test_from")
            ]

    def queries(self, user: int) -> Iterator[tuple[Part, Query]]:
        """Appends a user's events one by one, and yields the queries before each target."""
        begin, end = self._histories.offsets[user : user + 2]
        codes, ids = self._histories.items[begin:end], self._histories.item_ids
        items = (
            ids[codes].tolist() if isinstance(ids, np.ndarray) else [ids[code] for code in codes]
        )
        kinds, times = self._kinds(begin, end), self._times(begin, end)
        self._stream.reset()
        before: list[int | str] = []
        kinds_before: list[str] = []
        times_before: list[int] = []
        if not any(item in self._stream for item in items):  # not a user of the run
            return
        splits = self._splits(items, kinds, begin, end)
        for item, kind, time, split in zip(items, kinds, times, splits, strict=True):
            if split:
                self._window.reset()
                named = kinds_before[-self._size :] if kind else None
                timed = times_before[-self._size :] if time is not None else None
                self._window.extend(before[-self._size :], kinds=named, times=timed)
                for exclusion in self._exclusions:
                    stream, window = self._options(exclusion, before)
                    yield (split, "stream", exclusion), Query(self._stream, item, stream)
                    yield (split, "window", exclusion), Query(self._window, item, window)
            if self._stream.append(item, kind=kind, time=time, unknown="skip"):
                before.append(item)
                kinds_before.append(kind or "")
                times_before.append(time or 0)

    def _options(self, exclusion: str, before: list[int | str]) -> tuple[Options, Options]:
        """The options of top_k by each read-out: the window's session knows its own events only."""
        if exclusion == "none":
            return {"exclude_seen": False}, {"exclude_seen": False}
        if exclusion == "window":
            return {"exclude_seen": False, "deny": before[-self._size :]}, {}
        return {}, {"deny": before}

    def _kinds(self, begin: int, end: int) -> list[str | None]:
        """The kind of each event, None without kinds."""
        kinds, names = self._histories.kinds, self._histories.kind_names
        if kinds is None:
            return [None] * (end - begin)
        return [names[code] for code in kinds[begin:end].tolist()]

    def _times(self, begin: int, end: int) -> list[int | None]:
        """The time of each event in whole seconds, None if the model does not use it."""
        if not self._stream.uses_times:
            return [None] * (end - begin)
        assert self._histories.times is not None
        seconds: list[int | None] = (self._histories.times[begin:end] // SECOND).tolist()
        return seconds

    def _splits(
        self, items: list[int | str], kinds: list[str | None], begin: int, end: int
    ) -> list[str | None]:
        """The split that each event of a user is a target of."""
        chosen = [not self._data.targets or kind in self._data.targets for kind in kinds]
        if self._data.split == "time":
            times = self._histories.times
            assert times is not None
            reached = np.searchsorted(self._cuts, times[begin:end], side="right")
            splits = [(None, "validation", "test")[cuts] for cuts in reached]
            return [split if here else None for split, here in zip(splits, chosen, strict=True)]
        splits: list[str | None] = [None] * len(items)
        known = [place for place, item in enumerate(items) if item in self._stream]
        asked = [place for place in known if chosen[place]]
        if len(known) >= self._data.min_events and len(asked) >= 3:
            splits[asked[-2]], splits[asked[-1]] = "validation", "test"
        return splits


def report(metrics: dict[str, Any], ranks: Ranks, chosen: str) -> int:
    """Prints the metrics of the run and of the engine; returns 1 if they differ, otherwise 0."""
    console, other = Console(), OTHER_EXCLUSION[chosen]
    largest = {"engine": 0.0, "settled": 0.0}
    for split, readout in dict.fromkeys((split, readout) for split, readout, _ in ranks):
        table = Table("metric", title=f"{split}, {readout}, by exclude_seen")
        columns = []
        for title, block, exclusion, by_user in (
            (chosen, metrics, chosen, False),
            (f"{chosen}, per user", metrics["by_user"], chosen, True),
            (other, metrics["other_exclusion"], other, False),
        ):
            here, run = ranks[split, readout, exclusion], block[split][readout]
            for kind in largest:
                found = means([(each.user, getattr(each, kind)) for each in here], by_user)
                largest[kind] = max(largest[kind], *(abs(found[m] - run[m]) for m in METRICS))
                if kind == "engine":
                    columns += [run, found]
            for source in ("run", "engine"):
                table.add_column(f"{title}\n{source}", justify="right")
        for metric in METRICS:
            table.add_row(metric.upper(), *(f"{values[metric]:.6f}" for values in columns))
        console.print(table)
    every = [each for here in ranks.values() for each in here]
    differ = sum(each.differs for each in every)
    near_ties = sum(each.near_tie for each in every)
    console.print(
        f"{len(every):,} ranks: {near_ties} differ by near ties (up to {NEAR} of the largest score)"
        f", {differ - near_ties} otherwise\nlargest difference of a metric: "
        f"{largest['engine']:.1e}; with the run's ranks at near ties {largest['settled']:.1e}, "
        f"allowed {TOLERANCE}",
        highlight=False,
        soft_wrap=True,
    )
    return int(not largest["settled"] <= TOLERANCE)


def means(ranks: list[tuple[int, int]], by_user: bool) -> dict[str, float]:
    """Metrics of pairs of a user and a rank."""
    targets = Counter(user for user, _ in ranks)
    result = {}
    for name in METRICS:
        total = math.fsum(
            gain(name, rank) / (targets[user] if by_user else 1) for user, rank in ranks
        )
        result[name] = total / (len(targets) if by_user else len(ranks))
    return result


def gain(metric: str, rank: int) -> float:
    """A target's contribution to a metric."""
    name, _, cutoff = metric.partition("@")
    if rank > int(cutoff):
        return 0.0
    return {"hr": 1.0, "ndcg": 1 / math.log2(1 + rank), "mrr": 1 / rank}[name]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
