"""Recommendations for all users, once a day: state and events in, state and recommendations out.

`advance` processes one day of events for one partition of the users, for any engine that divides
work. `run` processes all partitions on one machine, as `recgrela batch` does it. Needs
`recgrela[batch]`.
"""

from .day import Summary
from .errors import BatchError
from .events import Moment
from .hashing import partition_of
from .one_machine import run
from .partition import Choice, Outcome, Part, Previous, advance
from .source import ModelFiles, ParquetSource

__all__ = [
    "BatchError",
    "Choice",
    "ModelFiles",
    "Moment",
    "Outcome",
    "ParquetSource",
    "Part",
    "Previous",
    "Summary",
    "advance",
    "partition_of",
    "run",
]
