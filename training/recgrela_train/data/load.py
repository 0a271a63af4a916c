"""From the settings to the Dataset in one call."""

from ..config import DataConfig
from .dataset import Dataset
from .prepare import prepare
from .read import read_events


def load_dataset(config: DataConfig, seed: int) -> Dataset:
    """Read, filter and order the events; `seed` orders equal times where they are `random`.

    Raises DataError naming the file and what is wrong with it.
    """
    return prepare(read_events(config), config.min_events, config.ties, seed)
