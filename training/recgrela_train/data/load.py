"""From the settings to the Dataset in one call."""

from pathlib import Path

from ..config import DataConfig
from .dataset import Dataset
from .prepare import prepare
from .prepared import is_prepared, open_prepared
from .read import read_events


def load_dataset(config: DataConfig) -> Dataset:
    """Read, filter and order the events.

    A folder that `recgrela-train prepare` wrote is mapped as it is. Raises DataError naming the
    file and what is wrong with it.
    """
    folder = Path(config.source).expanduser()
    if is_prepared(folder):
        return open_prepared(folder, config)
    return prepare(read_events(config), config.min_events, config.ties, config.tie_seed)
