"""The metrics of an evaluation, as Python code reads them and as they are shown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.jupyter import JupyterMixin
from rich.table import Table

from ..config import Config
from ..data import SPLITS, Dataset, HeldOutSplit
from .card import about
from .measurement import Measurement, write_measurement
from .summary import summary
from .tables import metric_tables, slice_tables


class Metrics(JupyterMixin, Mapping[str, Any]):
    """The metrics of an evaluation; a terminal and a notebook show them as tables.

    `metrics["test"]["stream"]["ndcg@10"]` is a metric of a split and a read-out. Other keys are
    `intervals` (95%, by the bootstrap over users), `by_user`, `other_exclusion`, `targets` (their
    number, and the shares of repeated and unknown ones) and `slices`, see `summary`; `data` and
    `versions`, see `about`.
    """

    def __init__(self, measurement: Measurement, config: Config, dataset: Dataset):
        self._values = summary(measurement, config.evaluate.window) | about(dataset)
        self._measurement = measurement
        self._config = config
        self._dataset = dataset

    def __getitem__(self, key: str) -> Any:
        """The metrics of a split, or another part of the results."""
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return iter(self._values)

    def __len__(self) -> int:
        """The number of keys."""
        return len(self._values)

    @property
    def splits(self) -> list[HeldOutSplit]:
        """The splits that have targets."""
        return [split for split in SPLITS if split in self._measurement.splits]

    def tables(self, splits: Sequence[HeldOutSplit]) -> RenderResult:
        """A line and a table of metrics for each split, to print with rich."""
        return metric_tables(self._values, self._config, self._dataset, splits)

    def slices(self, split: HeldOutSplit) -> Iterator[Table]:
        """NDCG@10 by length of history, training events of the item, day and kind of the event."""
        return slice_tables(self._values, split)

    def to_json(self, splits: Sequence[HeldOutSplit]) -> str:
        """A JSON object of the metrics of some splits and the config, as `save` writes for all."""

        def chosen(part: dict[str, Any]) -> dict[str, Any]:
            return {key: value for key, value in part.items() if key in splits or key not in SPLITS}

        values = {key: chosen(part) for key, part in chosen(self._values).items()}
        return json.dumps(values | {"config": self._config.model_dump()}, indent=2)

    def save(self, path: str | Path, *, user_ids: bool = False) -> None:
        """Writes a JSON file, and the ranks and recommendations to `.targets.npz` beside it.

        RUN/metrics.json makes a run ready for `recgrela-train report`. The files have no ids of
        users, unless `user_ids` asks for those of test users. Raises OSError.
        """
        ids = self._dataset.user_ids if user_ids else None
        write_measurement(Path(path), self._measurement, self._values, self._config, ids)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The tables of both splits."""
        return self.tables(self.splits)

    def __repr__(self) -> str:
        """The tables as text."""
        console = Console(color_system=None, force_jupyter=False)
        with console.capture() as captured:
            console.print(self)
        return captured.get().rstrip()
