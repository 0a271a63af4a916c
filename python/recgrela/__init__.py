"""recgrela: a sequential recommender that processes one event at a time.

>>> from recgrela import EdgeScorer
>>> scorer = EdgeScorer.load("model.safetensors")  # doctest: +SKIP
>>> scorer.append(50)  # doctest: +SKIP
>>> scorer.top_k(10).ids  # doctest: +SKIP
"""

from ._core import Catalog, EdgeScorer, Fleet, TopK, TopKArrays, __version__
from .hub import from_pretrained

EdgeScorer.from_pretrained = staticmethod(from_pretrained)  # type: ignore[method-assign]

__all__ = ["Catalog", "EdgeScorer", "Fleet", "TopK", "TopKArrays", "__version__"]
