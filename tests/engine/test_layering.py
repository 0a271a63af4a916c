"""Dependencies point one way: neither the engine nor training imports the other."""

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from tests.engine.rust_uses import Crate
from tests.layering import arrows_up, circle

ROOT = Path(__file__).parents[2]

CORE_ROOMS = [
    ["lib", "internals"],  # the public names; kernels for benchmarks
    ["verify"],  # the self-test, replayed
    ["session", "fleet"],  # one user; many users
    ["snapshot"],  # a session as bytes
    ["network", "catalog"],  # one event's step; one query's scan
    ["model"],  # a loaded, checked file
    ["loading", "saving", "config"],  # from untrusted bytes to checked tensors, and back
    ["kernels"],  # the arithmetic, once, over lanes
    ["isa", "simd", "error", "event", "fingerprint", "aligned", "threads"],  # what everything uses
]


def modules_after(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running some code."""
    code += "; import sys, json; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in json.loads(result.stdout)}


@pytest.mark.parametrize("module", ["recgrela", "recgrela.cli"])
def test_the_engine_imports_nothing_of_training(module):
    modules = modules_after(f"import {module}")
    assert "recgrela" in modules
    heavy = {"recgrela_train", "torch", "lightning", "polars", "safetensors", "pydantic", "yaml"}
    assert not modules & heavy
    assert not modules & {"filelock", "pyarrow", "rich"}  # only recgrela.batch


def test_recgrela_batch_imports_nothing_of_training():
    modules = modules_after("import recgrela.batch")
    assert "pyarrow" in modules
    assert not modules & {"recgrela_train", "torch", "lightning", "polars", "pandas"}
    assert not modules & {"ray", "pyspark"}  # only recgrela.batch.ray and recgrela.batch.spark


def test_scoring_needs_numpy_only(small):
    code = (
        f"from recgrela import EdgeScorer; s = EdgeScorer.load({str(small.path)!r}); "
        "s.append(s.item_ids[0]); s.top_k(3); s.score(s.item_ids); s.restore(s.snapshot())"
    )
    third = modules_after(code) - modules_after("import numpy")
    assert third - set(sys.stdlib_module_names) == {"recgrela"}


def test_training_does_not_import_the_engine():
    names = ("cli", "data", "evaluation.evaluate", "export.model_file", "fitting.fit", "networks")
    modules = modules_after("import " + ", ".join(f"recgrela_train.{name}" for name in names))
    assert "recgrela_train" in modules
    assert "recgrela" not in modules


def test_the_wheel_requires_numpy_only():
    always = [line for line in requires("recgrela") if "extra ==" not in line]
    assert [re.match(r"[\w-]+", line)[0] for line in always] == ["numpy"]


def test_the_core_knows_no_binding():
    result = subprocess.run(
        ["cargo", "tree", "--offline", "--package", "recgrela", "--edges", "normal,build",
         "--all-features", "--prefix", "none", "--format", "{p}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    crates = {line.split()[0] for line in result.stdout.splitlines() if line}
    assert {"recgrela", "safetensors"} <= crates
    bindings = re.compile(r"py(o3|thon)|numpy|recgrela-|uniffi|wasm-bindgen|jni|cbindgen|napi")
    assert not [crate for crate in crates if bindings.match(crate)]


def test_the_files_of_the_core_stand_in_rooms_of_one_order():
    graph = Crate(ROOT / "rust/core/src").graph()
    assert "simd/mod" in graph["kernels/linear"]
    assert "model/mod" in graph["session/mod"]
    assert circle(graph) == []
    assert arrows_up(graph, CORE_ROOMS) == []


def test_circles_and_arrows_up_are_found():
    graph = {"high/a": {"low/b"}, "low/b": {"low/c"}, "low/c": set()}
    rooms = [["high"], ["low/b", "low/c"]]
    assert circle(graph) == []
    assert arrows_up(graph, rooms) == []
    graph["low/c"] = {"high/a"}
    assert set(circle(graph)) == {"high/a", "low/b", "low/c"}
    assert arrows_up(graph, rooms) == ["low/c -> high/a"]
    with pytest.raises(AssertionError, match="elsewhere is in 0 rooms"):
        arrows_up({"elsewhere": {"low/c"}}, rooms)


def test_the_uses_of_a_rust_file_are_found(tmp_path):
    (tmp_path / "b").mkdir()
    files = {
        "lib.rs": "mod a;\nmod b;\npub use b::{Deep as Shown, fine};",
        "a.rs": 'use crate::Shown;\n// crate::b::fine\nfn f() { crate::b::other::g("crate::a") }',
        "b/mod.rs": "mod deep;\nmod other;\npub(crate) use deep::Deep;\npub fn fine() {}",
        "b/deep.rs": "use super::{fine, other::{self, g}};\n"
        "#[cfg(test)]\nmod tests {\n    use crate::a;\n}",
        "b/other.rs": "pub(in crate::b) fn g() { super::deep::h() }",
    }
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    assert Crate(tmp_path).graph() == {
        "lib": set(),
        "a": {"b/deep", "b/other"},
        "b/mod": set(),
        "b/deep": {"b/mod", "b/other"},
        "b/other": {"b/deep"},
    }
