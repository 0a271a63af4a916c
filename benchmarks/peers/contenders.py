"""The contenders: which script runs in which environment, with which settings."""

from dataclasses import dataclass, field
from typing import Any

OURS = "recgrela"


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    name: str  # of its folder
    label: str
    module: str
    environment: str | None = None  # None: that of this project
    settings: dict[str, Any] = field(default_factory=dict)


CONTENDERS = (
    Contender(OURS, "recgrela", "benchmarks.peers.ours"),  # its settings are the config
    Contender(
        "rectools-sasrec",
        "RecTools SASRec, its defaults",
        "benchmarks.peers.rectools_sasrec",
        "rectools",
    ),
    # The settings that its authors chose for MovieLens-1M: D. Tikhonovich et al., *eSASRec:
    # Enhancing Transformer-based Recommendations in a Modular Fashion*, RecSys 2025, and the
    # table of hyperparameters of github.com/blondered/transformer_benchmark.
    Contender(
        "rectools-esasrec",
        "RecTools eSASRec, tuned by its authors",
        "benchmarks.peers.rectools_sasrec",
        "rectools",
        {
            "ligr": True,
            "loss": "sampled_softmax",
            "n_negatives": 256,
            "use_key_padding_mask": True,
            "n_factors": 64,
            "n_blocks": 2,
            "n_heads": 1,
            "dropout_rate": 0.1,
            "session_max_len": 200,
        },
    ),
    Contender(
        "recbole-sasrec",
        "RecBole SASRec, its defaults",
        "benchmarks.peers.recbole_networks",
        "recbole",
        {"model": "SASRec"},
    ),
    Contender(
        "recbole-sasrec-tuned",
        "RecBole SASRec, tuned",
        "benchmarks.peers.recbole_networks",
        "recbole",
        {
            "model": "SASRec",
            "hidden_dropout_prob": 0.2,
            "attn_dropout_prob": 0.2,
            "train_batch_size": 256,
        },
    ),
    Contender(
        "recbole-gru4rec",
        "RecBole GRU4Rec, its defaults",
        "benchmarks.peers.recbole_networks",
        "recbole",
        {"model": "GRU4Rec"},
    ),
    Contender(
        "recbole-gru4rec-tuned",
        "RecBole GRU4Rec, tuned",
        "benchmarks.peers.recbole_networks",
        "recbole",
        {"model": "GRU4Rec", "train_batch_size": 256},
    ),
)
