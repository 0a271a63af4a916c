"""The feed-forward network of the baselines' blocks, the same as in `grela.py`."""

from torch import nn

from ..config import ModelConfig
from .dropout import Dropout


def feed_forward(config: ModelConfig) -> nn.Sequential:
    """Two layers of width 4D and D with GELU between them, and dropout after each."""
    return nn.Sequential(
        nn.Linear(config.hidden_size, config.inner_size),
        nn.GELU(),
        Dropout(config.dropout),
        nn.Linear(config.inner_size, config.hidden_size),
        Dropout(config.dropout),
    )
