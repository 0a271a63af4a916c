"""The paper's form of RecGRELA (arXiv 2506.13315), for reproduction and comparison.

Each event sees its whole window, later events included, so only the output at the last event may
predict. Each prefix of a history is one training sample. There is no state, so the engine cannot
run this form. Everything but the attention is as in the causal model.
"""

from torch import Tensor

from .grela import RecGrela


class BidirectionalGrela(RecGrela):
    """The model over N items; only the last hidden vector of a row may be trained and used."""

    readouts = ("window",)
    prefixes = True

    def forward(  # type: ignore[override]  # it has no state and one form
        self,
        items: Tensor,
        state: None = None,
        kinds: Tensor | None = None,
        gaps: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Items and kinds [B, T] -> hidden [B, T, D] and no state. gaps must be None."""
        hidden, _ = super().forward(items, form="bidirectional", kinds=kinds, gaps=gaps)
        return hidden, state

    def state_bytes(self) -> int:
        """0: it keeps nothing but the window's items."""
        return 0
