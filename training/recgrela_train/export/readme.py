"""README.md beside an exported file: its model card, as the Hugging Face Hub shows it.

It is a function of the model file and its card alone, so equal exports have equal pages. It names
no user and no item.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..evaluation.card import METRICS, Card
from ..evaluation.tables import RANKED
from ..files import write_atomically
from ..networks.grela import RecGrela
from .model_file import Exported, ItemIds
from .rounding_loss import RoundingLoss

TAGS = ["recgrela", "recommender-system", "sequential-recommendation"]
FACTS = {
    "users": "users",
    "items": "items",
    "events": "events",
    "first event": "first",
    "last event": "last",
    "fingerprint": "fingerprint",
}
"""The rows on a data set, by the keys of the card."""
SIGNATURE = "<!-- written by recgrela-train export; sha256 of the lines above: {} -->\n"


def readme_path(file: Path) -> Path:
    """The README.md beside a model file."""
    return file.parent / "README.md"


def is_ours(path: Path) -> bool:
    """Whether `write_readme` wrote this file, and nobody has edited it since."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    body = text[: text.rstrip("\n").rfind("\n") + 1]
    return text == _signed(body)


def write_readme(
    file: Path, model: RecGrela, item_ids: ItemIds, kinds: Sequence[str], done: Exported
) -> bool:
    """Writes the page of an exported file, unless there is one that is not ours.

    Returns whether it was written. Raises OSError.
    """
    path = readme_path(file)
    if path.exists() and not is_ours(path):
        return False
    write_atomically(path, _signed(_page(file.name, model, item_ids, kinds, done)).encode())
    return True


def _signed(body: str) -> str:
    return body + SIGNATURE.format(hashlib.sha256(body.encode()).hexdigest())


def _page(
    name: str, model: RecGrela, item_ids: ItemIds, kinds: Sequence[str], done: Exported
) -> str:
    front: dict[str, Any] = {"library_name": "recgrela", "tags": TAGS}
    if done.card is not None:
        front["metrics"] = list(METRICS)
    return "\n".join(
        [
            "---",
            yaml.safe_dump(front, sort_keys=False) + "---",
            "",
            f"# Next-item recommender of {done.items:,} items",
            "",
            f"`{name}` recommends the next items to a user, given the items of the user's history. "
            "It is a causal RecGRELA model ([arXiv 2506.13315](https://arxiv.org/abs/2506.13315)) "
            "for the recgrela engine, which processes one event at a time.",
            "",
            *_table(("model", ""), _model_rows(model, item_ids, kinds, done)),
            "",
            "## Load",
            "",
            *_loading(name, model, kinds),
            "",
            *(_measured(done.card) if done.card else _NOT_MEASURED),
            *(_rounding(done.loss) if done.loss else ()),
            "## Limits",
            "",
            *(f"* {limit}" for limit in _limits(done)),
            "",
            "",
        ]
    )


_NOT_MEASURED = [
    "## Metrics",
    "",
    "Unknown: the checkpoint is not the best one of a measured run.",
    "",
]


def _model_rows(
    model: RecGrela, item_ids: ItemIds, kinds: Sequence[str], done: Exported
) -> Iterator[tuple[str, str]]:
    config = model.config
    ids = "integers" if isinstance(item_ids, np.ndarray) else "text"
    yield "items", f"{done.items:,}, ids are {ids}"
    if kinds:
        yield "kinds of events", ", ".join(kinds)
    if model.gaps is not None:
        yield "time of events", "needed for each, in whole seconds: `append(item, time=...)`"
    if model.start is not None:
        yield "before the first event", "a learned start vector recommends"
    yield (
        "layers, hidden size, heads",
        (f"{config.num_layers}, {config.hidden_size}, {config.num_heads}"),
    )
    yield "parameters", f"{sum(p.numel() for p in model.parameters()):,}"
    yield "weights", f"{done.table} item table, {done.matrices} matrices"
    yield "file", f"{done.size:,} bytes"
    yield "state of a user", f"{model.state_bytes():,} bytes, and 4 per distinct item"
    yield "fingerprint", f"`{done.fingerprint}`"


def _loading(name: str, model: RecGrela, kinds: Sequence[str]) -> list[str]:
    other = "" if name == "model.safetensors" else f", filename={json.dumps(name)}"
    of_each = ", kinds=kinds" if kinds else ""
    what = "item ids, oldest first"
    if model.gaps is not None:
        of_each += ", times=times"
        what += "; times: of these events, in seconds"
    return [
        "```python",
        "from recgrela import EdgeScorer  # pip install 'recgrela[hub]'",
        f'scorer = EdgeScorer.load({json.dumps(name)})  # or .from_pretrained("ORG/NAME"{other})',
        f"print(scorer.peek(history, 10{of_each}).ids)  # history: {what}",
        "```",
    ]


def _measured(card: Card) -> Iterator[str]:
    """What the model was trained and measured on, and how well it ranked."""
    yield from ("## Data", "")
    sources = {"measured on": card["data"]}
    if "all_events" in card:
        sources = {"trained on": card["all_events"], **sources}
    rows = [
        (name, *(_fact(facts[key]) for facts in sources.values())) for name, key in FACTS.items()
    ]
    yield from _table(("", *sources), rows)
    settings = ", ".join(f"`{key}={value}`" for key, value in card["split"].items())
    yield from ("", f"Split of the data for the metrics: {settings}.", "", "## Metrics", "")
    rows = []
    for split in ("validation", "test"):
        if split in card:
            found = card[split]
            counts = [f"{found[key]:,}" for key in ("targets", "users")]
            shares = [f"{found[key]:.1%}" for key in ("repeated", "unknown")]
            rows.append((split, *counts, *shares, *(_interval(found[m]) for m in METRICS)))
    heads = ("", "targets", "users", "repeated", "unknown", *(m.upper() for m in METRICS))
    yield from _table(heads, rows)
    evaluate = card["evaluate"]
    sample = ""
    if evaluate["max_users"] is not None:
        sample = f", of a random sample of {evaluate['max_users']:,} users at most"
    yield from (
        "",
        f"Each metric is a mean over targets{sample}, with the 95% interval of the bootstrap over "
        f"users, for float32 weights. The model ranks {RANKED[evaluate['exclude_seen']]}, without "
        f"sampling (`exclude_seen={evaluate['exclude_seen']}`), in the read-out "
        f"`{evaluate['readout']}`. A repeated target is in the history already. A target that is "
        "unknown to the model or not ranked is a miss.",
        "",
        "Versions: " + ", ".join(f"{name} {text}" for name, text in card["versions"].items()) + ".",
        "",
    )


def _rounding(loss: RoundingLoss) -> Iterator[str]:
    change = f"from {loss.before:.4f} to {loss.after:.4f}"
    yield from (f"Rounding the weights changes validation NDCG@10 {change}.", "")


def _limits(done: Exported) -> Iterator[str]:
    yield "It knows only its own items. An overlay or a new model adds others."
    if done.card and "all_events" in done.card:
        yield (
            "It was trained on all events, so it was not measured itself. The metrics are those of "
            "the run that it repeats, which was trained without the held-out events for "
            f"{done.card['all_events']['epochs']} epochs."
        )
    if done.card:
        yield (
            "The metrics tell how well it predicts past events of these users. They do not tell "
            "how users respond to its recommendations."
        )
    yield (
        "The file has the ids of all items, but no ids or histories of users. It was not trained "
        "with differential privacy."
    )
    yield "No licence is stated: add one before you publish the file."


def _table(heads: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _fact(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "unknown" if value is None else str(value)


def _interval(value: list[float]) -> str:
    return "{:.4f} ({:.4f} to {:.4f})".format(*value)
