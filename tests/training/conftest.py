"""A synthetic data set and a short run on it, for the tests of the training commands."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset

SMALL = [
    "data.split=leave_one_out", "model.hidden_size=16", "model.num_heads=2", "model.num_layers=1",
    "train.window=8", "train.batch_size=16", "train.max_epochs=2", "evaluate.window=8",
    "train.accelerator=cpu",
]  # fmt: skip


@pytest.fixture(scope="session")
def events_file(tmp_path_factory) -> Path:
    """Forty users who walk around a ring of thirty items, as sequence lines."""
    random = np.random.default_rng(1)
    lines = []
    for _ in range(40):
        steps = random.integers(1, 3, size=random.integers(6, 40))
        walk = (random.integers(30) + np.cumsum(steps)) % 30
        lines.append(" ".join(str(100 + item) for item in walk))
    path = tmp_path_factory.mktemp("data") / "walks.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def command():
    """Run `recgrela-train` as a user does and return the finished process."""

    def run(*arguments, **options) -> subprocess.CompletedProcess:
        words = [sys.executable, "-m", "recgrela_train", *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, timeout=300, **options)

    return run


@pytest.fixture(scope="session")
def small_settings(events_file) -> list[str]:
    """`--set` arguments for a run of a few seconds."""
    settings = [f"data.source={events_file}", *SMALL]
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="session")
def small_dataset(small_settings):
    """The data of a run with `small_settings`."""
    config = load_config(None, small_settings[1::2])
    return load_dataset(config.data)


@pytest.fixture(scope="session")
def finished_run(command, small_settings, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    run = tmp_path_factory.mktemp("runs") / "small"
    result = command("fit", "--output", run, *small_settings)
    assert result.returncode == 0, result.stderr
    return run
