"""Small data sets, made from events in memory."""

import polars as pl
from recgrela_train.config import DataConfig
from recgrela_train.data import Dataset, prepare, split


def make_events(rows: list[tuple]) -> pl.DataFrame:
    """Events of (user, item, time)."""
    return pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")


def make_dataset(events: pl.DataFrame | list[tuple], **settings) -> Dataset:
    """The Dataset of events, by default with all of them, in the order of rows, leave-one-out.

    `settings` are of `data.*`, or the `vocabulary`, `kinds` and `extend` of `split`.
    """
    vocabulary, kinds = settings.pop("vocabulary", None), settings.pop("kinds", None)
    extend = settings.pop("extend", False)
    defaults = {"source": "the events", "min_events": 1, "ties": "file", "split": "leave_one_out"}
    config = DataConfig(**defaults | settings)
    table = events if isinstance(events, pl.DataFrame) else make_events(events)
    histories = prepare(table, config.ties, config.tie_seed)
    return split(histories, config, vocabulary, kinds, extend=extend)


def names(dataset: Dataset, user: int) -> list:
    """The ids of a user's items, oldest event first."""
    return [dataset.item_ids[i - 1] for i in dataset.history(user)]
