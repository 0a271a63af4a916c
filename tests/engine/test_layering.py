"""The parts depend one way: the engine on nothing of training, training not on the engine."""

import json
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def modules_after(code: str) -> set[str]:
    """Names of the top-level modules that a fresh interpreter holds after some code."""
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
