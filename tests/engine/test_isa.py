"""Every instruction set gives the same bits."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from recgrela import EdgeScorer
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela


def assert_same_bits(a: EdgeScorer, b: EdgeScorer, ids: list) -> None:
    assert a.score(ids).tobytes() == b.score(ids).tobytes()
    assert a.user_vector().tobytes() == b.user_vector().tobytes()
    assert a.snapshot() == b.snapshot()
    for filters in ({}, {"exclude_seen": False}, {"allow": ids[5:50], "deny": ids[20:30]}):
        first, second = a.top_k(20, **filters), b.top_k(20, **filters)
        assert first.ids == second.ids
        assert first.scores.tobytes() == second.scores.tobytes()


@pytest.mark.parametrize("table", ["f32", "f16"])
def test_the_same_bits_for_every_switch(export, switch, isa, table):
    file = export(table=table, **switch)
    scalar, vector = file.load(isa="scalar"), file.load(isa=isa)
    assert (scalar.isa, vector.isa) == ("scalar", isa)
    for step in range(5):
        events = file.history(1 + 30 * step, seed=step)
        scalar.extend(events)
        vector.extend(events)
        assert_same_bits(scalar, vector, file.ids)
    # Loading has run the files' self-test, so both cannot be wrong in the same way.
    assert scalar.verify() == vector.verify()


def test_the_same_bits_at_the_published_size(export, isa):
    file = export(items=1000, hidden_size=64, num_heads=4, num_layers=4)
    scalar, vector = file.load(isa="scalar"), file.load(isa=isa)
    history = file.history(1000)
    scalar.extend(history)
    vector.extend(history)
    assert_same_bits(scalar, vector, file.ids)


def test_the_default_is_the_best(small, isa, monkeypatch):
    monkeypatch.delenv("RECGRELA_ISA", raising=False)
    assert small.load().isa != "scalar"


@pytest.mark.parametrize("name", ["sse9", "", "AVX2", "none"])
def test_an_unknown_one_is_a_value_error_naming_those_there_are(small, name):
    expected = f"isa: found '{name}', expected one of those available here: .*scalar"
    with pytest.raises(ValueError, match=expected):
        small.load(isa=name)
    with pytest.raises(ValueError, match=expected):
        EdgeScorer.from_bytes(small.path.read_bytes(), isa=name)


def load_with_variable(path, value: str, arguments: str = "") -> subprocess.CompletedProcess:
    code = f"from recgrela import EdgeScorer; print(EdgeScorer.load({str(path)!r}{arguments}).isa)"
    environment = {**os.environ, "RECGRELA_ISA": value}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_environment_forces_one(small, isa):
    for name in ("scalar", isa):
        result = load_with_variable(small.path, name)
        assert (result.returncode, result.stdout.strip()) == (0, name)


def test_an_unknown_one_in_the_environment_is_named(small):
    result = load_with_variable(small.path, "sse9")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: instruction set: found `RECGRELA_ISA=sse9`, expected")
    assert "scalar" in last


def test_the_argument_wins_over_the_environment(small):
    result = load_with_variable(small.path, "sse9", ", isa='scalar'")
    assert (result.returncode, result.stdout.strip()) == (0, "scalar")


def test_flushing_subnormal_numbers_leaves_half_precision_tables_as_they_are(tmp_path):
    torch.manual_seed(0)
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2), 40)
    with torch.no_grad():
        model.embedding.weight[1:] *= 1e-3  # down to where half precision is subnormal
    path = tmp_path / "small.safetensors"
    export_model(model, np.arange(model.num_items), path, "f16")
    scorer = EdgeScorer.load(path, isa="scalar", verify=False)
    scorer.append(3)
    ids = scorer.item_ids
    before = dict(scorer.top_k(len(ids), exclude_seen=False))
    assert torch.set_flush_denormal(True)
    try:
        flushed = dict(scorer.top_k(len(ids), exclude_seen=False))
    finally:
        torch.set_flush_denormal(False)
    assert any(before.values())
    assert flushed == before


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="SSE2 is of x86")
def test_the_engine_is_not_compiled_for_x86_without_sse2(tmp_path):
    result = subprocess.run(
        ["rustc", "--crate-type=lib", "--edition=2024", "--emit=metadata", "-Ctarget-feature=-sse2",
         f"--out-dir={tmp_path}", Path(__file__).parents[2] / "rust/core/src/lib.rs"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "error: recgrela needs SSE2" in result.stderr
