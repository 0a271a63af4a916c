"""What a batch of the evaluation allocates is not kept: small arrays that stay pin the heap."""

import weakref

from recgrela_train.config import EvaluateConfig, load_config
from recgrela_train.evaluation import counting, evaluate
from recgrela_train.fitting import training_module
from rich.console import Console


def test_validation_keeps_no_array_of_a_batch(small_dataset, small_settings, monkeypatch):
    config = load_config(None, [*small_settings[1::2], "evaluate.batch_size=2"])
    module = training_module.TrainingModule(config, small_dataset).eval()
    refs = []

    def rank_targets(*arguments):
        ranks = evaluate.rank_targets(*arguments)
        refs.append(weakref.ref(ranks))
        return ranks

    monkeypatch.setattr(training_module, "rank_targets", rank_targets)
    for index, batch in enumerate(module.val_dataloader()):
        module.validation_step(batch, index)
    assert len(refs) > 10
    assert sum(ref() is not None for ref in refs) <= 1


def test_a_measurement_keeps_no_array_of_a_batch(small_dataset, monkeypatch):
    best_unseen, refs, alive = evaluate.best_unseen, [], []

    def recorded(*arguments):
        alive.append(sum(ref() is not None for ref in refs))
        best = best_unseen(*arguments)
        refs.append(weakref.ref(best))
        return best

    monkeypatch.setattr(evaluate, "best_unseen", recorded)
    model, settings = counting.Popularity(small_dataset), EvaluateConfig(batch_size=2)
    counting.measure_counts(model, small_dataset, settings, Console(quiet=True))
    assert len(alive) > 10
    assert max(alive) <= 1
