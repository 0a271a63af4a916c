"""Search settings with Optuna: `python examples/tune.py events.parquet --trials 30`.

Each trial is a fit. Trials that fall behind after an epoch are stopped. The score is NDCG@10 on the
validation split; the test split is for the settings that are chosen in the end.

Needs: pip install optuna optuna-integration
"""

import argparse
from pathlib import Path

import optuna
import polars as pl
from optuna_integration import PyTorchLightningPruningCallback
from recgrela_train import Recommender

SCORE = "validation/ndcg@10"


def main() -> None:
    """Run the study, and print the best settings as arguments of `recgrela-train fit`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path, help="Parquet file: user_id, item_id, timestamp")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=20, help="of a trial that is not stopped")
    options = parser.parse_args()
    events = pl.read_parquet(options.events)

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("train.learning_rate", 3e-4, 1e-2, log=True)
        trial.suggest_float("model.dropout", 0.0, 0.5)
        trial.suggest_categorical("model.hidden_size", [32, 64, 128])
        settings = trial.params | {"train.max_epochs": options.epochs}
        recommender = Recommender(settings, verbose=False)
        recommender.fit(events, callbacks=[PyTorchLightningPruningCallback(trial, SCORE)])
        return recommender.evaluate()["validation"]["stream"]["ndcg@10"]

    sampler = optuna.samplers.TPESampler(seed=1)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=options.trials)

    pruned = len(study.get_trials(states=[optuna.trial.TrialState.PRUNED]))
    print(f"{len(study.trials)} trials, {pruned} stopped early")
    print(f"best validation NDCG@10: {study.best_value:.4f}")
    print(" ".join(f"--set {name}={value}" for name, value in study.best_params.items()))


if __name__ == "__main__":
    main()
