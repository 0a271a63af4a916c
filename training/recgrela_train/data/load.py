"""From settings to a Dataset: reads the source, or opens a prepared folder, and splits it."""

from pathlib import Path

from ..config import DataConfig
from .dataset import Dataset
from .histories import Histories, Ids
from .prepare import prepare_pieces
from .prepared import is_prepared, open_prepared
from .read import COLUMNS, check_no_effect, read_pieces
from .split import split


def load_dataset(
    config: DataConfig,
    vocabulary: Ids | None = None,
    kinds: tuple[str, ...] | None = None,
    *,
    extend: bool = False,
) -> Dataset:
    """Reads, sorts, filters and splits the events; see `split` for the vocabulary and kinds.

    Raises DataError naming the file and the problem.
    """
    return split(load_histories(config), config, vocabulary, kinds, extend=extend)


def load_histories(config: DataConfig) -> Histories:
    """Reads and sorts the events, or memory-maps a folder of `recgrela-train prepare`.

    Raises DataError naming the file and the problem.
    """
    folder = Path(config.source).expanduser()
    if is_prepared(folder):
        fixed, again = ("format", *COLUMNS, "missing"), "prepare the folder again with it"
        check_no_effect(folder, "a prepared folder", config, fixed, again)
        return open_prepared(folder, config)
    return prepare_pieces(read_pieces(config), config.ties, config.tie_seed)
