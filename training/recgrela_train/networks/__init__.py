"""The networks of `model.kind`."""

from ..config import ModelConfig
from .bidirectional import BidirectionalGrela
from .grela import RecGrela
from .gru4rec import Gru4Rec
from .lrurec import LruRec
from .network import Network
from .sasrec import SasRec

NETWORKS: dict[str, type[Network]] = {
    "grela": RecGrela,
    "bidirectional": BidirectionalGrela,
    "sasrec": SasRec,
    "gru4rec": Gru4Rec,
    "lrurec": LruRec,
}


def make_network(config: ModelConfig, num_items: int, num_kinds: int = 0) -> Network:
    """The network of `config.kind` over N items, initialised from torch's default generator."""
    return NETWORKS[config.kind](config, num_items, num_kinds)
