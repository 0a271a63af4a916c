"""What a batch of the evaluation allocates is not kept: small arrays that stay pin the heap."""

import weakref

from recgrela_train.config import load_config
from recgrela_train.evaluation import evaluate
from recgrela_train.fitting import training_module


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
