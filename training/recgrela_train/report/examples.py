"""Example users: their last events, each run's recommendations, and the item that came next."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import DataError, Dataset, item_titles
from ..data.known import NAMES
from ..evaluation.ranking import MISS
from ..evaluation.summary import LENGTHS, slices_of
from .runs import ReportError, RunResult

SHOWN = 8  # last events of a history


@dataclass(frozen=True)
class Advice:
    """One run's recommendations to a user."""

    run: str
    rank: int | None  # of the target; None if it was excluded as seen
    titles: list[tuple[str, bool]]  # best first; True for the target


@dataclass(frozen=True)
class Example:
    """One user before the test target."""

    user: str  # a pseudonym, or the id
    events: int
    last: list[str]  # titles, oldest first
    target: str
    target_seen: bool
    advice: list[Advice]


def examples(
    runs: list[RunResult], dataset: Dataset, titles: dict[str, str], *, user_ids: bool
) -> list[Example]:
    """The user of median length of each slice by length; ranks do not influence the choice.

    Users are numbered, unless `user_ids` asks for their ids.
    """
    test, last = runs[0].measurement.test, runs[0].measurement.last
    lengths = test.lengths[last]
    *slices, _ = slices_of(test, runs[0].config.evaluate.window)[LENGTHS]
    result: list[Example] = []
    for _, inside in slices:
        rows = np.flatnonzero(inside[last])
        if len(rows):
            by_length = rows[np.argsort(lengths[rows], kind="stable")]
            found = _example(runs, dataset, titles, int(by_length[len(rows) // 2]))
            pseudonym = str(len(result) + 1)
            result.append(found if user_ids else dataclasses.replace(found, user=pseudonym))
    return result


def _example(runs: list[RunResult], dataset: Dataset, titles: dict[str, str], row: int) -> Example:
    def title(item: int) -> str:
        name = str(dataset.item_ids[item - 1])
        return titles.get(name, f"item {name}")

    place = int(runs[0].measurement.last[row])
    test = runs[0].measurement.test
    user = int(test.users[place])
    *before, target = dataset.history(user)[: test.lengths[place] + 1].tolist()
    advice = []
    for run in runs:
        best = run.measurement.best[run.readouts[0]][row].tolist()
        named = [(title(item), item == target) for item in best if item]
        rank = int(run.rank[place])
        advice.append(Advice(run.name, None if rank == MISS else rank, named))
    return Example(
        user=str(dataset.user_ids[user]),
        events=len(before),
        last=[title(item) for item in before[-SHOWN:]],
        target=title(target),
        target_seen=target in before,
        advice=advice,
    )


def load_titles(source: str, file: Path | None) -> dict[str, str]:
    """Titles by item id, from a file of `id<tab>title` lines or of a data set known by name."""
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ReportError(f"{file}: cannot read the titles: {error}") from None
        wrong = next((n for n, line in enumerate(lines, 1) if line and "\t" not in line), None)
        if wrong:
            raise ReportError(
                f"{file}, line {wrong}: expected an item id, a tab and a title; "
                f"found {lines[wrong - 1]!r}"
            )
        return dict(line.split("\t", 1) for line in lines if line)
    if source not in NAMES:
        return {}
    try:
        return {str(item): title for item, title in item_titles(source).items()}
    except DataError:
        return {}
