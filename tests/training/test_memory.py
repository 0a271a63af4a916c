"""What a batch of the evaluation allocates is not kept: small arrays that stay pin the heap."""

import weakref

import torch
from recgrela_train.config import EvaluateConfig, load_config
from recgrela_train.evaluation import counting, evaluate, ranking
from recgrela_train.fitting import training_module
from rich.console import Console
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


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
    ranked, refs, alive = evaluate.ranked, [], []

    def recorded(*arguments):
        alive.append(sum(ref() is not None for ref in refs))
        rows = ranked(*arguments)
        refs.append(weakref.ref(rows))
        return rows

    monkeypatch.setattr(evaluate, "ranked", recorded)
    model, settings = counting.Popularity(small_dataset), EvaluateConfig(batch_size=2)
    counting.measure_counts(model, small_dataset, settings, Console(quiet=True))
    assert len(alive) > 10
    assert max(alive) <= 1


def test_ranking_allocates_no_more_for_a_larger_catalogue(monkeypatch):
    monkeypatch.setattr(ranking, "BLOCK", 64)
    sizes = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), named=None):
            result = function(*arguments, **(named or {}))
            sizes.extend(x.numel() for x in tree_leaves(result) if isinstance(x, torch.Tensor))
            return result

    largest = []
    for items in (1_000, 100_000):
        targets, weights = torch.arange(1, 9), torch.randn(items + 1)
        seen = ranking.Seen(torch.arange(8), torch.arange(11, 19))
        sizes.clear()
        with Sizes():
            ranking.rank(lambda asked, w=weights: w[asked].repeat(8, 1), targets, seen, items, 10)
        largest.append(max(sizes))
    assert largest[0] == largest[1] == 8 * 64
