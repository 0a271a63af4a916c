"""From files of events to batches: `load_dataset`, and batches for training and evaluation."""

from .batches import EvaluationBatch, EvaluationBatches, PrefixBatches, TrainBatch, WindowBatches
from .dataset import Counts, Dataset, HeldOut, Report
from .errors import TOO_FEW_EVENTS, DataError
from .known import item_titles
from .prepare import prepare
from .prepared import check_folder, write_prepared
from .read import load_dataset, read_events
from .shards import Shard, ShardedBatches

__all__ = [
    "TOO_FEW_EVENTS",
    "Counts",
    "DataError",
    "Dataset",
    "EvaluationBatch",
    "EvaluationBatches",
    "HeldOut",
    "PrefixBatches",
    "Report",
    "Shard",
    "ShardedBatches",
    "TrainBatch",
    "WindowBatches",
    "check_folder",
    "item_titles",
    "load_dataset",
    "prepare",
    "read_events",
    "write_prepared",
]
