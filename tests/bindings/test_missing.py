"""Each binding has what EdgeScorer and its catalogue have in Python, or its page says otherwise."""

import ast
import re

import pytest

from tests.bindings.golden import ROOT

# The names in other bindings of what a Catalog does. There, a model does it.
CATALOG = {"add": "add_items", "load": "set_overlay", "save": "overlay"}


def members(of: str) -> set[str]:
    """The public names of a class."""
    tree = ast.parse((ROOT / "python/recgrela/_core.pyi").read_text())
    [found] = [node for node in tree.body if getattr(node, "name", "") == of]
    names = {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if not name.startswith("_")}


def camel(name: str) -> str:
    return re.sub("_(.)", lambda match: match[1].upper(), name)


WEB = {
    "from_bytes": "load",
    "isa": "simd",
    "item_ids": "items",
    "new_session": "session",
    "num_items": "length",
}
C = {
    "add_items": "add_int_items",
    "added": "config",  # from its number of items on
    "id_type": "has_text_ids",
    "item_ids": "int_id",
    "kinds": "num_kinds",
    "load": "open",
    "log_kinds": "log",
    "log_times": "log",
    "new_session": "new",
}
KOTLIN = {
    "clone": "copy",  # exported as clone
    "id_type": "item_ids",
    "load": "open",
    "num_items": "item_count",
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
    # from_pretrained is that of huggingface_hub, which is Python's.
    names = members("EdgeScorer") - {"catalog", "from_pretrained"}
    names |= {CATALOG.get(name, name) for name in members("Catalog")}
    spelled = {name: others.get(name, camel(name) if page == "web" else name) for name in names}
    absent = {name for name in names if not re.search(pattern.format(spelled[name]), text)}
    assert absent == missing
