"""From files of events to batches: `load_dataset`, and batches for training and evaluation."""

from .batches import PrefixBatches, TrainBatch, WindowBatches
from .dataset import SPLITS, Counts, Cuts, Dataset, HeldOutSplit, Report, Targets
from .errors import ONLY_FIRST_EVENTS, TOO_FEW_EVENTS, DataError, DataWarning
from .evaluation_batches import EvaluationBatch, EvaluationBatches, sampled
from .histories import Histories, Ids, StoredIds
from .item_features import Columns, ItemFeatures, load_features, loaded_columns, saved_columns
from .item_rows import new_ids
from .known import item_titles
from .load import load_dataset, load_histories
from .prepare import prepare
from .prepared import check_folder, write_prepared
from .read import read_pieces
from .shards import Batches, Shard, ShardedBatches
from .split import joined_ids, split
from .tables import IN_MEMORY, Table, load_table, table_histories

__all__ = [
    "IN_MEMORY",
    "ONLY_FIRST_EVENTS",
    "SPLITS",
    "TOO_FEW_EVENTS",
    "Batches",
    "Columns",
    "Counts",
    "Cuts",
    "DataError",
    "DataWarning",
    "Dataset",
    "EvaluationBatch",
    "EvaluationBatches",
    "HeldOutSplit",
    "Histories",
    "Ids",
    "ItemFeatures",
    "PrefixBatches",
    "Report",
    "Shard",
    "ShardedBatches",
    "StoredIds",
    "Table",
    "Targets",
    "TrainBatch",
    "WindowBatches",
    "check_folder",
    "item_titles",
    "joined_ids",
    "load_dataset",
    "load_features",
    "load_histories",
    "load_table",
    "loaded_columns",
    "new_ids",
    "prepare",
    "read_pieces",
    "sampled",
    "saved_columns",
    "split",
    "table_histories",
    "write_prepared",
]
