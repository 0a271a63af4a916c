"""Writes gaps.safetensors by the trainer's exporter, with `python tests/golden/write_gaps.py`.

The other models are written by rust/core/tests/golden.rs.
"""

from pathlib import Path

import numpy as np
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela

PATH = Path(__file__).with_name("gaps.safetensors")
KINDS = ("view", "cart", "buy")
ITEMS = 50


@torch.no_grad()
def main() -> None:
    """Draws the weights and writes the file."""
    torch.manual_seed(0)
    config = ModelConfig(
        hidden_size=16,
        num_heads=2,
        num_layers=2,
        positions="learned",
        max_positions=40,
        gaps=True,
    )
    model = RecGrela(config, ITEMS, len(KINDS)).eval()
    for parameter in model.parameters():  # as large as trained ones
        parameter.add_(torch.randn_like(parameter) * 0.2)
    model.embedding.weight[0] = 0  # padding
    ids = 3 * np.random.default_rng(0).permutation(ITEMS) - 40
    export_model(model, ids, PATH, "f16", "f16", kinds=KINDS)


if __name__ == "__main__":
    main()
