"""Ablations and comparisons as a user starts them: tables, resuming, and errors."""

import json
import shutil

import pytest
from recgrela_train.cli import app
from recgrela_train.config import Config, ConfigError, change_config
from recgrela_train.export.model_file import ExportError
from recgrela_train.fitting.checkpoints import last_checkpoint
from recgrela_train.fitting.fit import RunError
from recgrela_train.studies.study import (
    ablations,
    choose,
    common_readout,
    comparison,
    early_stops,
)
from typer.testing import CliRunner

from benchmarks import experiments

PNG = b"\x89PNG"


def study(command: str, output, settings, *more: str) -> str:
    """Run it in this process and return its output."""
    words = [command, "--output", str(output), *settings, "--set", "train.max_epochs=1", *more]
    result = CliRunner().invoke(app, words)
    if result.exception:
        raise result.exception
    return " ".join(result.output.split())


def changes(variants) -> dict[str, list[str]]:
    return {variant.name: variant.settings for variant in variants}


def test_ablations_are_those_that_change_the_config():
    expected = {
        "base": [],
        "no-gate": ["model.gate=false"],
        "no-local-conv": ["model.local_conv=false"],
        "no-rotary": ["model.positions=none"],
        "learned-positions": ["model.positions=learned"],
        "hydra": ["model.num_heads=64"],
        "no-decay": ["model.decay=none"],
    }
    assert changes(ablations(Config())) == expected
    without = change_config(Config(), ["model.decay=none"])
    assert set(changes(ablations(without))) == {*expected, "learned-decay"} - {"no-decay"}
    paper = change_config(without, ["model.kind=bidirectional"])
    assert set(changes(ablations(paper))) == set(expected) - {"no-decay"}


def test_a_comparison_is_of_the_same_config_but_for_the_kind():
    variants = {variant.name: variant.config for variant in comparison(Config(seed=7))}
    assert list(variants) == ["grela", "sasrec", "gru4rec", "lrurec", "popularity", "markov"]
    for kind in ("grela", "sasrec", "gru4rec", "lrurec"):
        assert variants[kind] == change_config(Config(seed=7), [f"model.kind={kind}"])


def test_only_the_causal_model_has_gaps():
    config = change_config(Config(), ["model.gaps=true"])
    found = {variant.name: variant.config.model.gaps for variant in comparison(config)}
    assert found["grela"] and not found["sasrec"] and not found["gru4rec"]
    (without,) = (variant for variant in ablations(config) if variant.name == "no-gaps")
    assert without.config == Config()


def test_the_first_variant_is_always_there():
    variants = ablations(Config())
    assert [v.name for v in choose(variants, ["hydra"])] == ["base", "hydra"]
    assert choose(variants, []) == variants
    with pytest.raises(ConfigError, match=r"--only hydro: not a variant\. Variants: base, no-gate"):
        choose(variants, ["hydro"])


@pytest.fixture(scope="module")
def ablation(small_settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("studies") / "ablation"
    printed = study("ablate", output, small_settings, "--only", "no-gate", "--only", "hydra")
    return output, printed


def test_an_ablation_leaves_runs_a_table_and_a_picture(ablation):
    output, printed = ablation
    rows = {row["name"]: row for row in json.loads((output / "table.json").read_bytes())}
    assert list(rows) == ["base", "no-gate", "hydra"]
    assert (output / "table.png").read_bytes().startswith(PNG)
    gate = 16 * 16 + 16
    assert rows["base"]["parameters"] - rows["no-gate"]["parameters"] == gate
    assert rows["hydra"]["config"]["model"]["num_heads"] == 16
    assert "difference" not in rows["base"]
    for name in ("no-gate", "hydra"):
        metrics = json.loads((output / name / "metrics.json").read_bytes())
        value, low, high = rows[name]["difference"]["ndcg@10"]
        assert rows[name]["difference"]["readout"] == "stream"
        base = rows["base"]["test"]["stream"]["ndcg@10"]
        assert value == pytest.approx(metrics["test"]["stream"]["ndcg@10"] - base)
        assert low <= value <= high
        assert rows[name]["test"] == metrics["test"]
        assert (rows[name]["epochs"], rows[name]["best_epoch"]) == (1, 1)
        assert rows[name]["seconds_per_epoch"] > 0
    for expected in ("no-gate (2 of 3) model.gate=false", "parameters", "table.json"):
        assert expected in printed


def test_the_same_command_again_goes_on_where_it_ended(ablation, small_settings):
    output, _ = ablation
    table = json.loads((output / "table.json").read_bytes())
    (output / "no-gate" / "metrics.json").unlink()  # as if it was stopped during the evaluation
    before = last_checkpoint(output / "base").stat().st_mtime_ns
    printed = study("ablate", output, small_settings, "--only", "no-gate", "--only", "hydra")
    assert printed.count("finished before") == 2
    assert last_checkpoint(output / "base").stat().st_mtime_ns == before
    assert json.loads((output / "table.json").read_bytes()) == table


def test_more_seeds_go_on_from_the_first_and_give_means(
    ablation, small_settings, tmp_path, monkeypatch
):
    monkeypatch.setattr("recgrela_train.cli.console.console.width", 200)
    output = tmp_path / "study"
    shutil.copytree(ablation[0], output)
    printed = study("ablate", output, small_settings, "--only", "no-gate", "--seeds", "2")
    assert printed.count("finished before") == 2
    rows = {row["name"]: row for row in json.loads((output / "table.json").read_bytes())}
    assert list(rows) == ["base", "no-gate"]
    means = {}
    for name, row in rows.items():
        runs = [
            json.loads((output / f / "metrics.json").read_bytes()) for f in (name, f"{name}-43")
        ]
        assert row["seeds"] == [run["config"]["seed"] for run in runs] == [42, 43]
        first, second = (run["test"]["stream"]["ndcg@10"] for run in runs)
        means[name] = (first + second) / 2
        assert row["test"]["stream"]["ndcg@10"] == pytest.approx(means[name])
        deviation = abs(first - second) / 2**0.5
        assert row["spread"]["test"]["stream"]["ndcg@10"] == pytest.approx(deviation)
        # The values of the table, not ours: a sum in another order may round differently.
        mean, spread = row["test"]["stream"]["ndcg@10"], row["spread"]["test"]["stream"]["ndcg@10"]
        assert f"{mean:.4f} +- {spread:.4f}" in printed
        low, high = row["intervals"]["test"]["stream"]["ndcg@10"]
        assert low <= means[name] <= high
    difference = rows["no-gate"]["difference"]["ndcg@10"][0]
    assert difference == pytest.approx(means["no-gate"] - means["base"])


def test_a_study_is_of_one_process(small_settings, tmp_path):
    with pytest.raises(ConfigError, match=r"set train\.devices=1, and do not use torchrun"):
        study("ablate", tmp_path, small_settings, "--set", "train.devices=2")


def test_a_run_with_other_settings_is_not_taken_for_a_variant(ablation, small_settings):
    output, _ = ablation
    with pytest.raises(RunError, match=r"\(seed was 42, is 7\): choose another folder"):
        study("ablate", output, small_settings, "--set", "seed=7")


def test_a_run_on_other_histories_is_not_taken_for_a_variant(
    ablation, small_settings, events_file, tmp_path
):
    output, _ = ablation
    path = tmp_path / events_file.name
    path.write_text(events_file.read_text().replace("101", "129"))
    shutil.copytree(output, tmp_path / "studies")
    for metrics in (tmp_path / "studies").glob("*/metrics.json"):
        metrics.write_text(metrics.read_text().replace(str(events_file), str(path)))
    changed = [word.replace(str(events_file), str(path)) for word in small_settings]
    with pytest.raises(RunError, match="base was trained on other histories"):
        study("ablate", tmp_path / "studies", changed, "--only", "no-gate")


def test_a_comparison_has_every_network_and_count(small_settings, tmp_path):
    printed = study("compare", tmp_path, small_settings)
    rows = {row["name"]: row for row in json.loads((tmp_path / "table.json").read_bytes())}
    assert list(rows) == ["grela", "sasrec", "gru4rec", "lrurec", "popularity", "markov"]
    assert (tmp_path / "table.png").read_bytes().startswith(PNG)
    assert set(rows["sasrec"]["test"]) == {"window"}  # it has no state to resume from
    assert set(rows["gru4rec"]["test"]) == {"stream", "window"}
    assert common_readout(list(rows.values())) == "window"
    # D = 16, 2 heads, 1 layer: S, z and three values; 200 keys and values; one vector; one item.
    bytes_a_user = {name: row["state_bytes"] for name, row in rows.items()}
    assert bytes_a_user == {
        "grela": 4 * (16 * 8 + 16 + 48), "sasrec": 4 * 2 * 200 * 16, "gru4rec": 4 * 16,
        "lrurec": 8 * 16, "popularity": 0, "markov": 4,
    }  # fmt: skip
    assert "parameters" not in rows["markov"]
    assert "window minus grela" in printed
    assert "use --seeds 3 or more" in printed

    refused = CliRunner().invoke(app, ["export", str(tmp_path / "sasrec")]).exception
    assert isinstance(refused, ExportError)
    assert "model.kind=sasrec cannot be exported" in str(refused)
    assert not (tmp_path / "sasrec" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("epochs", "best", "warned"), [(4, 1, True), (6, 3, True), (30, 1, False), (8, 5, False)]
)
def test_a_network_that_stopped_after_its_first_epochs_is_named(epochs, best, warned):
    config = change_config(Config(), ["train.max_epochs=30", "train.patience=3"]).model_dump()
    row = {"name": "grela", "epochs": epochs, "best_epoch": best, "config": config}
    counted = {"name": "popularity", "config": config}
    found = early_stops([row, counted])
    assert len(found) == warned
    assert all(f"grela stopped after epoch {epochs}, its best was epoch {best}" in w for w in found)
    assert all("train.patience (now 3)" in w for w in found)


def test_the_experiments_are_a_study_of_changes(small_settings, tmp_path, monkeypatch):
    unchanged, *changed = experiments.grid(Config())
    assert unchanged.config == Config()
    assert [variant.name for variant in changed] == list(experiments.GRID)
    assert len({variant.config.model_dump_json() for variant in changed}) == len(changed)
    only = ["--only", "unseen-items", "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["experiments", *small_settings, *only, "--seeds", "2"])
    experiments.main()
    rows = {row["name"]: row for row in json.loads((tmp_path / "table.json").read_bytes())}
    assert list(rows) == ["base", "unseen-items"]
    assert rows["unseen-items"]["config"]["train"]["exclude_seen"] == "history"
    assert len(rows["base"]["seeds"]) == 2
