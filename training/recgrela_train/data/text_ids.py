"""Text ids that stay on disk: one array of UTF-8 bytes, which may be memory-mapped."""

from collections.abc import Sequence
from typing import overload

import numpy as np
import polars as pl


class TextIds(Sequence[str]):
    """Text ids by index; an id is decoded when it is asked for.

    Id i is `data[bounds[i]:bounds[i + 1]]`, or with `chosen` the id at `chosen[i]`.
    """

    def __init__(self, data: np.ndarray, bounds: np.ndarray, chosen: np.ndarray | None = None):
        self.data = data  # uint8
        self.bounds = bounds  # int64, [ids + 1]
        self._chosen = chosen

    @classmethod
    def of(cls, ids: pl.Series) -> "TextIds":
        """The ids of a String column without nulls."""
        lengths = ids.str.len_bytes().to_numpy()
        bounds = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(np.frombuffer(ids.str.join("").item().encode(), np.uint8), bounds)

    def __len__(self) -> int:
        """Number of ids."""
        return len(self.bounds) - 1 if self._chosen is None else len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """One id, or a list of them."""
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]  # IndexError as for a list
        if self._chosen is not None:
            place = self._chosen[place]
        return self.data[self.bounds[place] : self.bounds[place + 1]].tobytes().decode()

    def take(self, chosen: np.ndarray) -> "TextIds":
        """The ids at the indices `chosen`, sharing the bytes."""
        places = chosen if self._chosen is None else self._chosen[chosen]
        return TextIds(self.data, self.bounds, places)
