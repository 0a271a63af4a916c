"""Each binding has what Python's EdgeScorer has, or its page says that it has not."""

import ast
import re

import pytest

from tests.bindings.golden import ROOT


def members() -> list[str]:
    """The public names of EdgeScorer."""
    tree = ast.parse((ROOT / "python/recgrela/_core.pyi").read_text())
    [scorer] = [node for node in tree.body if getattr(node, "name", "") == "EdgeScorer"]
    names = {node.name for node in scorer.body if isinstance(node, ast.FunctionDef)}
    names.remove("from_pretrained")  # of huggingface_hub, which is Python's
    return sorted(name for name in names if not name.startswith("_"))


def camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


WEB = {
    "catalog": "addItems",
    "from_bytes": "load",
    "gaps": "usesTimes",
    "isa": "simd",
    "item_ids": "items",
    "new_session": "session",
    "num_items": "length",
}
C = {
    "catalog": "retire",
    "gaps": "uses_times",
    "id_type": "has_text_ids",
    "item_ids": "int_id",
    "kinds": "num_kinds",
    "load": "open",
    "log_kinds": "log",
    "log_times": "log",
    "new_session": "new",
}
KOTLIN = {
    "catalog": "add_items",
    "gaps": "uses_times",
    "id_type": "item_ids",
    "load": "open",
    "num_items": "item_ids",
}


@pytest.mark.parametrize(
    ("page", "sources", "pattern", "others"),
    [
        ("web", ["rust/wasm/js/index.d.ts"], r"(?<![\w.]){}\b", WEB),
        ("c", ["rust/ffi/include/recgrela.h"], r"recgrela_(model|session)_{}\b", C),
        ("kotlin", ["rust/uniffi/src/model.rs", "rust/uniffi/src/session.rs"], r"fn {}\b", KOTLIN),
    ],
)
def test_what_is_missing_is_listed(page, sources, pattern, others):
    text = "".join((ROOT / source).read_text() for source in sources)
    guide = (ROOT / f"docs/{page}.md").read_text()
    missing = set(re.findall(r"`(\w+)`", re.search(r"(?ms)^Not available .*?\n\n", guide)[0]))
    names = {name: camel(name) if page == "web" else name for name in members()} | others
    absent = {name for name in members() if not re.search(pattern.format(names[name]), text)}
    assert absent == missing
