"""`recgrela-train compare`."""

from pathlib import Path

from .options import ConfigFile, Only, Seeds, Settings, StudyFolder


def compare(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    seeds: Seeds = 1,
    output: StudyFolder = Path("runs/comparison"),
) -> None:
    """Train every network with the same config, and set them beside the counting baselines.

    Variants: grela, sasrec, gru4rec, popularity and markov. The same command again skips finished
    runs and resumes the others. It ends with a table, table.json and table.png. With --seeds the
    table has means, standard deviations over the seeds and intervals over users.

    `recgrela-train compare --config training/configs/demo.yaml`
    """
    from ..studies.study import comparison
    from .shared import study

    study(comparison, config, settings, only, seeds, output)
