"""`recgrela-train ablate`."""

from pathlib import Path

from .console import loading
from .options import ConfigFile, Only, Seeds, Settings, StudyFolder


def ablate(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    seeds: Seeds = 1,
    output: StudyFolder = Path("runs/ablation"),
) -> None:
    """Train the config with one part removed or replaced at a time, and compare the results.

    Variants: no-gate, no-local-conv, no-rotary, learned-positions, hydra (one head per feature),
    no-decay and learned-decay. Running it again skips finished runs and resumes the others. It
    prints a table and writes table.json and table.png. With --seeds the table shows means and
    standard deviations over the seeds, and confidence intervals over users.

    `recgrela-train ablate --config training/configs/demo.yaml --only no-gate --only hydra`
    """
    with loading():
        from ..studies.study import ablations
        from .study import study

    study(ablations, config, settings, only, seeds, output)
