"""The examples run: the lines of the README, the notebooks and the Optuna study."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import optuna
import pytest
from optuna_integration import PyTorchLightningPruningCallback
from recgrela_train import Recommender

from tests.training.conftest import SMALL
from tests.training.test_recommender import walks

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {
    "quick-start": "users, items, events, epochs = 100, 40, 3000, 2",
    "own-table-to-phone": "customers, epochs = 120, 2",
}
"""Their parameters, for a small run."""


@pytest.fixture
def events():
    """Events with the default names of columns, and integer users."""
    user = walks()["who"].str.slice(1).cast(int)
    return walks().rename({"what": "item_id", "when": "timestamp"}).with_columns(user_id=user)


@pytest.fixture
def commands(monkeypatch):
    """The commands of the environment can be found."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


def test_the_lines_of_the_readme_with_polars_and_with_pandas(events, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    events.write_csv("events.csv")
    [lines] = re.findall(
        r"```python\n(import polars.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    assert len([line for line in lines.splitlines() if line]) == 10
    files = []
    for library in ("polars as pl", "pandas as pl"):
        exec(lines.replace("polars as pl", library), {})
        shown = capsys.readouterr().out
        assert "a table in memory, test: 30 items" in shown
        first, after = map(ast.literal_eval, shown.splitlines()[-2:])
        assert len(set(first)) == len(set(after)) == 10 and events["item_id"][0] not in after
        files.append(Path("model.safetensors").read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_and_is_committed_without_outputs(name, tmp_path, commands):
    notebook = nbformat.read(ROOT / "examples/notebooks" / f"{name}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    [parameters] = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = NOTEBOOKS[name]
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    texts = [output.get("text", "") for cell in code for output in cell.outputs]
    assert re.search(r"^\d+ |sku-\d+", "".join(texts[-3:]), re.M), texts
    assert not any("\x1b" in text for text in texts)  # spinners and colours
    assert (tmp_path / "model.safetensors").is_file()


def test_settings_are_tuned(events, tmp_path):
    events.write_parquet(tmp_path / "events.parquet")
    words = ["examples/tune.py", tmp_path / "events.parquet", "--trials", "3", "--epochs", "1"]
    result = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert re.search(r"3 trials, \d stopped early", result.stdout)
    assert "--set train.learning_rate=" in result.stdout


def test_a_trial_is_stopped_by_its_validation(events):
    def objective(trial):
        stop = PyTorchLightningPruningCallback(trial, "validation/ndcg@10")
        Recommender(SMALL, verbose=False).fit(events, callbacks=[stop])

    study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(lower=1.1))
    study.optimize(objective, n_trials=1)
    [trial] = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert 0 < trial.intermediate_values[0] < 1
