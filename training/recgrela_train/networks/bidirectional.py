"""The paper's own form of RecGRELA (arXiv 2506.13315), to reproduce and to compare with.

Each event of a window sees all of it, the events after it too, and the output at the last one
predicts. So one prefix of a history is one training sample, nothing is left of a window to
continue from, and the engine cannot run it. Everything but the attention is the causal model's.
"""

from torch import Tensor

from .grela import RecGrela


class BidirectionalGrela(RecGrela):
    """The model over N items; only hidden[:, last] may be trained and read out."""

    readouts = ("window",)
    prefixes = True

    def forward(  # type: ignore[override]  # it has no state and one form
        self, items: Tensor, state: None = None
    ) -> tuple[Tensor, None]:
        """items [B, T] -> hidden [B, T, D] and no state."""
        hidden, _ = super().forward(items, form="bidirectional")
        return hidden, state

    def state_bytes(self) -> int:
        """Nothing: the window's items are all it starts from."""
        return 0
