"""Training of the recgrela recommender: read events, fit, evaluate, export.

>>> from recgrela_train import Recommender
>>> recommender = Recommender().fit(events)  # doctest: +SKIP
>>> recommender.export("model.safetensors")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .recommender import Recommender

__all__ = ["Recommender", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports the API on first use, since it imports PyTorch: the command's help stays fast."""
    if name != "Recommender":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .recommender import Recommender

    return Recommender
