"""`recgrela-train compare`."""

from pathlib import Path

from .console import loading
from .options import ConfigFile, Only, Seeds, Settings, StudyFolder


def compare(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    seeds: Seeds = 1,
    output: StudyFolder = Path("runs/comparison"),
) -> None:
    """Train every network with the same config, and compare them with the counting baselines.

    Variants: grela, sasrec, gru4rec, lrurec, popularity and markov. Running it again skips finished
    runs and resumes the others. It prints a table and writes table.json and table.png. With
    --seeds the table shows means and standard deviations over the seeds, and confidence intervals
    over users.

    `recgrela-train compare --config training/configs/demo.yaml`
    """
    with loading():
        from ..studies.study import comparison
        from .study import study

    study(comparison, config, settings, only, seeds, output)
