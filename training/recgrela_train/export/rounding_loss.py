"""The loss in ranking quality by rounding a model's weights."""

from typing import NamedTuple

import numpy as np

from ..config import EvaluateConfig
from ..data import Dataset, EvaluationBatches, sampled
from ..evaluation.evaluate import rank_targets
from ..evaluation.metrics import summarize
from ..evaluation.ranking import MISS
from ..networks.grela import RecGrela
from .errors import ExportError
from .quantize import round_table, rounded_model
from .weight_types import WeightType


class RoundingLoss(NamedTuple):
    """NDCG@10 of the validation split, stream read-out, before and after rounding."""

    before: float
    after: float

    @property
    def value(self) -> float:
        """The decrease in NDCG@10."""
        return self.before - self.after

    def __str__(self) -> str:
        return f"validation NDCG@10, stream: {self.before:.5f} as trained, {self.after:.5f}"

    def check(self, limit: float | None) -> None:
        """Raises ExportError if the loss exceeds `limit`; None is no limit."""
        if limit is not None and not self.value <= limit:
            raise ExportError(
                f"nothing was written: rounding lowers validation NDCG@10 by {self.value:.5f}, "
                f"--max-ndcg-drop allows {limit}; choose a wider --table or --matrices"
            )


def rounding_loss(
    model: RecGrela,
    dataset: Dataset,
    settings: EvaluateConfig,
    table: WeightType,
    matrices: WeightType,
) -> RoundingLoss:
    """Measures the model as trained and with its weights rounded."""
    rounded = rounded_model(model, round_table(model, table), matrices)
    return RoundingLoss(*(_ndcg(each, dataset, settings) for each in (model, rounded)))


def _ndcg(model: RecGrela, dataset: Dataset, settings: EvaluateConfig) -> float:
    targets = sampled(
        dataset.targets("validation"), settings.max_users, firsts=model.start is not None
    )
    known = targets.take(targets.known)
    # Allocated once: small arrays kept from each batch would fragment the heap.
    ranks = np.full(len(targets), MISS)
    done = 0
    gaps = model.gaps is not None
    for batch in EvaluationBatches(dataset, known, settings.batch_size, gaps=gaps):
        ranks[done : (done := done + len(batch.stops))] = rank_targets(
            model, batch, "stream", settings
        )
    return summarize(ranks)["ndcg@10"]
