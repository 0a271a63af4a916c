"""`recgrela-train ablate`."""

from pathlib import Path

from .options import ConfigFile, Only, Seeds, Settings, StudyFolder


def ablate(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    seeds: Seeds = 1,
    output: StudyFolder = Path("runs/ablation"),
) -> None:
    """Train the config with one part left out at a time, and set the results side by side.

    Variants: no-gate, no-local-conv, no-rotary, learned-positions, hydra (as many heads as
    features), no-decay and learned-decay. The same command again skips finished runs and resumes
    the others. It ends with a table, table.json and table.png. With --seeds the
    table has means, standard deviations over the seeds and intervals over users.

    `recgrela-train ablate --config training/configs/demo.yaml --only no-gate --only hydra`
    """
    from ..studies.study import ablations
    from .shared import study

    study(ablations, config, settings, only, seeds, output)
