"""The model card: what a model was measured on and how well it ranked, for its exported file.

docs/format.md documents its keys. It is a function of metrics.json alone, so equal measurements
have equal cards.
"""

import platform
from importlib.metadata import version
from typing import Any

from ..data import SPLITS, Dataset
from ..version import __version__
from .measurement import common_readout

METRICS = ("ndcg@10", "hr@10", "mrr@10")
SPLIT_SETTINGS = ("split", "min_events", "repeats", "ties", "tie_seed")
Card = dict[str, Any]


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Fingerprint, size and dates of a data set."""
    first, last = dataset.report.dates or (None, None)
    return {
        "fingerprint": dataset.fingerprint,
        **dataset.report.after._asdict(),
        "first": first,
        "last": last,
    }


def about(dataset: Dataset) -> dict[str, Any]:
    """What metrics.json says of the data, its cuts and the versions that measured it."""
    facts: dict[str, Any] = {"data": data_facts(dataset)}
    if dataset.cuts:
        validation_from, test_from = dataset.cuts.texts()
        facts["cuts"] = {"validation_from": validation_from, "test_from": test_from}
    facts["versions"] = {
        "recgrela-train": __version__,
        "torch": version("torch"),
        "python": platform.python_version(),
    }
    return facts


def card_of(metrics: dict[str, Any]) -> Card | None:
    """The card of a measured model, from its metrics.json; None if that was written without it."""
    if "data" not in metrics:
        return None
    data, evaluate = metrics["config"]["data"], metrics["config"]["evaluate"]
    readout = common_readout([metrics])
    return {
        "data": metrics["data"],
        "split": {key: data[key] for key in SPLIT_SETTINGS if key in data}
        | ({"targets": data["targets"]} if data.get("targets") else {})
        | metrics.get("cuts", {}),
        "evaluate": {
            "readout": readout,
            **{key: evaluate[key] for key in ("exclude_seen", "window", "max_users")},
        },
        **{split: _results(metrics, split, readout) for split in SPLITS if split in metrics},
        "versions": metrics["versions"],
    }


def _results(metrics: dict[str, Any], split: str, readout: str) -> dict[str, Any]:
    """The number of targets, and each metric of the read-out as [value, low, high]."""
    values, intervals = metrics[split][readout], metrics["intervals"][split][readout]
    found = {m: [round(x, 5) for x in (values[m], *intervals[m])] for m in METRICS}
    return {**metrics["targets"][split], **found}
