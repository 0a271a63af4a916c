"""Which of several processes this is, as the environment says from the start.

torchrun sets RANK and LOCAL_RANK, the trainer's own launcher LOCAL_RANK.
"""

import os


def local_rank() -> int:
    """The number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Whether this is the process that prints, and writes the run's files."""
    return int(os.environ.get("RANK", local_rank())) == 0
