"""Starting from a trained run with new items: weights, moments, frozen runs and their overlays."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import torch
from conftest import SMALL
from in_process import best, changed, error, go
from recgrela import EdgeScorer
from recgrela_train.cli import app
from recgrela_train.config import change_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting.checkpoints import (
    best_checkpoint,
    last_checkpoint,
    previous_checkpoint,
)
from recgrela_train.fitting.new_items import NewItemBatches, NewItemsModule, states_before
from recgrela_train.fitting.warm_start import KeepMoments, neighbour_means
from safetensors.numpy import save_file
from typer.testing import CliRunner

DAY = 86_400
START = 1_700_000_000
FRESH = 36  # the day from which the new items are there


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Users who walk around a ring of 40 items, 6 of which are there from day 36 on.

    The events before that day, six more days of four of them, and ten of all.
    """
    random = np.random.default_rng(1)
    rows = []
    for user in range(80):
        place, time = int(random.integers(40)), START + int(random.integers(30)) * DAY
        for _ in range(random.integers(10, 50)):
            place, time = (place + int(random.integers(1, 3))) % 40, time + DAY // 2
            if time < START + FRESH * DAY and place >= 34:
                place = 0
            rows.append((user, 100 + place, time))
    columns = ["user_id", "item_id", "timestamp"]
    events = pl.DataFrame(rows, columns, orient="row").sort("timestamp")
    folder = tmp_path_factory.mktemp("files")
    days = {"old": FRESH, "new": FRESH + 6, "newer": FRESH + 10}
    for name, day in days.items():
        part = events.filter(pl.col("timestamp") < START + day * DAY)
        if name == "new":  # two of the items are still missing
            part = part.filter(pl.col("item_id") < 138)
        part.write_csv(folder / f"{name}.csv")
    return {name: folder / f"{name}.csv" for name in days}


@pytest.fixture(scope="module")
def base(files, tmp_path_factory) -> Path:
    """A run on the old events, and its exported file with an int8 table."""
    run = tmp_path_factory.mktemp("base") / "run"
    settings = [*SMALL, "train.max_epochs=3", "data.min_events=2", "train.learning_rate=0.01"]
    go("fit", "-o", run, *changed(f"data.source={files['old']}", *settings))
    go("export", run, "--table", "int8", "--matrices", "f16")
    return run


@pytest.fixture(scope="module")
def update(files) -> list[str]:
    """The options of an update with all of the new events."""
    return changed(f"data.source={files['new']}", "data.split=none")


@pytest.fixture(scope="module")
def frozen(base, update, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("frozen") / "run"
    go("fit", "--from", base, "--freeze", "-o", run, *update)
    return run


@pytest.fixture(scope="module")
def warm(base, update, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("warm") / "run"
    go("fit", "--from", base, "-o", run, *update)
    return run


def test_known_items_come_first_and_new_ones_by_frequency(base, files):
    trained = best(base)
    config = change_config(trained.config, [f"data.source={files['newer']}", "data.split=none"])
    dataset = load_dataset(config.data, trained.item_ids, extend=True)
    assert list(dataset.item_ids[:34]) == list(trained.item_ids)
    assert sorted(dataset.item_ids[34:]) == list(range(134, 140))
    counts = dataset.train_counts[34:]
    assert list(counts) == sorted(counts, reverse=True)


def test_known_items_that_are_gone_stay_known(base, files, tmp_path):
    path = tmp_path / "part.csv"
    pl.read_csv(files["new"]).filter(pl.col("item_id") >= 120).write_csv(path)
    trained = best(base)
    config = change_config(trained.config, [f"data.source={path}", "data.split=none"])
    with pytest.warns(UserWarning, match="20 of the 34 items .* stay known"):
        dataset = load_dataset(config.data, trained.item_ids, extend=True)
    assert list(dataset.item_ids[:34]) == list(trained.item_ids)


def test_a_new_item_starts_as_the_mean_of_its_neighbours(files, base, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        "user_id,item_id,timestamp\n"
        + "".join(f"1,{item},{START + n}\n" for n, item in enumerate([101, 200, 102, 200, 201]))
        + "".join(f"2,{item},{START + n}\n" for n, item in enumerate([202, 103]))
        + f"3,203,{START}\n"
    )
    settings = [f"data.source={path}", "data.split=none", "data.min_events=1"]
    config = change_config(best(base).config, settings)
    dataset = load_dataset(config.data, np.array([103, 101, 102]), extend=True)
    known = np.array([[9.0, 0], [1, 0], [0, 1]], np.float32)  # of 103, 101, 102
    means = dict(zip(dataset.item_ids[3:].tolist(), neighbour_means(dataset, known), strict=True))
    np.testing.assert_allclose(means[200], (known[1] + 2 * known[2]) / 3)
    np.testing.assert_allclose(means[201], known.mean(0))  # only next to another new item
    np.testing.assert_allclose(means[202], known[0])
    np.testing.assert_allclose(means[203], known.mean(0))


def test_moments_of_known_rows_are_kept_and_those_of_new_rows_fresh(base):
    trained = best(base)
    content = torch.load(trained.path, weights_only=True)
    before = content["optimizer_states"][0]["state"]
    model = trained.model
    model.embedding.weight = torch.nn.Parameter(torch.zeros(37, 16))
    table = before[[name for name, _ in model.named_parameters()].index("embedding.weight")]
    optimizer = torch.optim.Adam(model.parameters())
    trainer = SimpleNamespace(global_step=0, optimizers=[optimizer])
    KeepMoments(trained).on_train_start(trainer, None)
    state = optimizer.state[model.embedding.weight]
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(state[name][:35], table[name])
    assert not state["exp_avg"][35:].any()
    assert torch.equal(state["exp_avg_sq"][36], table["exp_avg_sq"].mean(0))
    assert state["step"] == table["step"] > 0
    last = list(model.parameters())[-1]
    assert torch.equal(optimizer.state[last]["exp_avg"], before[len(before) - 1]["exp_avg"])
    optimizer.step()  # the state is complete


def test_moments_of_a_resumed_run_or_of_a_frozen_one_are_not_replaced(base, frozen):
    for run, step in ((base, 1), (frozen, 0)):
        model = best(run).model
        optimizer = torch.optim.Adam(model.parameters())
        trainer = SimpleNamespace(global_step=step, optimizers=[optimizer])
        KeepMoments(best(run)).on_train_start(trainer, None)
        assert not optimizer.state


def test_a_warm_start_trains_all_weights(base, warm):
    before, after = best(base), best(warm)
    assert after.config.train.start_from == str(base)
    assert list(after.item_ids[:34]) == list(before.item_ids)
    assert len(after.item_ids) == 38
    weights = after.model.state_dict()
    for name, weight in before.model.state_dict().items():
        assert not torch.equal(weights[name][: len(weight)], weight), name
    moved = weights["embedding.weight"][1:35] - before.model.embedding.weight[1:]
    assert moved.norm() < 0.8 * before.model.embedding.weight.norm()


def test_a_frozen_run_trains_new_rows_only(base, frozen, files):
    before, after = best(base), best(frozen)
    weights = after.model.state_dict()
    for name, weight in before.model.state_dict().items():
        assert torch.equal(weights[name][: len(weight)], weight), name
    dataset = load_dataset(after.config.data, after.item_ids)
    start = neighbour_means(dataset, before.model.embedding.weight.detach()[1:].numpy())
    assert (weights["embedding.weight"][35:] - torch.from_numpy(start)).abs().min(1).values.all()


def test_frozen_parts_are_whole_windows_with_new_items(base, files):
    trained = best(base)
    config = change_config(trained.config, [f"data.source={files['new']}", "data.split=none"])
    dataset = load_dataset(config.data, trained.item_ids, extend=True)
    batches = NewItemBatches(dataset, 34, 8, 4, seed=0)
    seen = 0
    for index, batch in enumerate(batches):
        for row, part in enumerate(batches.rows(index)):
            items = batch["inputs"][row]
            items = items[items != 0].numpy()
            start, first = batches.starts[part], batches.firsts[part]
            assert (start - first) % 8 == 0
            np.testing.assert_array_equal(items, dataset.items[start : start + len(items)])
            assert (dataset.items[first:start] <= 34).all()
            assert (dataset.items[start : start + 9] > 34).any()
            seen += int((batch["targets"][row] > 34).sum())
        assert len(batch["inputs"]) <= 4
    firsts = dataset.offsets[:-1]
    assert seen == (dataset.items > 34).sum() - (dataset.items[firsts] > 34).sum()


def test_hidden_vectors_of_frozen_parts_are_those_of_whole_histories(base, files):
    trained = best(base)
    settings = [
        f"data.source={files['new']}", "data.split=none", f"train.start_from={base}",
        "train.freeze=True",
    ]  # fmt: skip
    config = change_config(trained.config, settings)
    dataset = load_dataset(config.data, trained.item_ids, extend=True)
    module = NewItemsModule(config, dataset, trained)
    parts = module._batches
    state = states_before(module.model, dataset, parts, torch.device("cpu"))
    module.on_train_start()
    assert not module.model.training
    batch = next(iter(parts))
    before = module._state_before(batch, 0)
    got, _ = module.model(batch["inputs"], before)
    for row, part in enumerate(parts.rows(0)):
        start, first = parts.starts[part], parts.firsts[part]
        count = int((batch["inputs"][row] != 0).sum())
        whole = torch.from_numpy(dataset.items[first : start + count]).long()[None]
        expected, _ = module.model(whole)
        torch.testing.assert_close(got[row, :count], expected[0, -count:], rtol=1e-4, atol=1e-5)
    assert (state.position == torch.from_numpy(parts.starts - parts.firsts)).all()


def test_dropout_is_off_in_a_frozen_run(base, files, tmp_path):
    """Without it, and with one batch, nothing depends on the seed."""
    settings = changed(f"data.source={files['newer']}", "evaluate.window=8", "train.max_epochs=2")
    settings += changed("data.validation_from=2023-12-25", "data.test_from=2023-12-27")
    runs = [tmp_path / seed for seed in "12"]
    for run in runs:
        seed = ["--set", f"seed={run.name}", "--set", "train.batch_size=500"]
        go("fit", "--from", base, "--freeze", "-o", run, *settings, *seed)
    first, second = (best(run).model.embedding.weight for run in runs)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)
    assert json.loads((runs[0] / "metrics.json").read_bytes())["test"]


def test_an_overlay_gives_the_models_scores_and_keeps_sessions(base, frozen, tmp_path):
    history = [110, 111, 113]
    scorer = EdgeScorer.load(base / "model.safetensors")
    scorer.extend(history)
    snapshot, before = scorer.snapshot(), scorer.score([100, 101, 102])
    output = go("export", frozen)
    assert "4 new items" in output
    assert "verified by the engine" in output
    scorer.catalog.load(frozen / "overlay.safetensors")
    trained = best(frozen)
    assert scorer.catalog.added == trained.item_ids[34:].tolist()
    scorer.restore(snapshot)
    assert (scorer.score([100, 101, 102]) == before).all()
    scorer.extend([134, 135, 112])
    place = {item: n for n, item in enumerate(trained.item_ids.tolist(), 1)}
    inputs = torch.tensor([[place[item] for item in [*history, 134, 135, 112]]])
    hidden, _ = trained.model(inputs)
    ids = [134, 137, 100, 120]
    expected = trained.model.scores(hidden[0, -1], torch.tensor([place[i] for i in ids]))
    scores = scorer.score(ids)
    assert np.abs(scores - expected.detach().numpy()).max() < 0.03  # the deployed file is rounded
    assert scorer.top_k(38).ids


def test_the_next_overlay_extends_the_last(base, frozen, files, tmp_path):
    run = tmp_path / "run"
    settings = changed(f"data.source={files['newer']}")
    go("fit", "--from", frozen, "--freeze", "-o", run, *settings)
    go("export", frozen)
    assert f"6 new items for {base / 'model.safetensors'}" in go("export", run)
    scorer = EdgeScorer.load(base / "model.safetensors")
    scorer.catalog.load(frozen / "overlay.safetensors")
    added = scorer.catalog.added
    scorer.append(134)
    scorer.catalog.load(run / "overlay.safetensors")
    assert scorer.catalog.added[:4] == added


@pytest.mark.parametrize("kind", ["warm", "frozen"])
def test_a_run_that_started_from_another_resumes(request, kind, tmp_path):
    whole = request.getfixturevalue(kind)
    run = shutil.copytree(whole, tmp_path / "run")
    best_checkpoint(run).unlink()
    shutil.move(previous_checkpoint(run), last_checkpoint(run))
    go("fit", "--resume", "-o", run)
    for old, new in zip(best(whole).model.parameters(), best(run).model.parameters(), strict=True):
        assert torch.equal(old, new)


def test_text_ids(files, tmp_path):
    """Text ids in a run, in its update and in the overlay."""
    for name in ("old", "new"):
        events = pl.read_csv(files[name])
        events = events.with_columns(pl.format("film-{}", "item_id").alias("item_id"))
        events.write_csv(tmp_path / f"{name}.csv")
    settings = [f"data.source={tmp_path / 'old.csv'}"]
    go("fit", "-o", tmp_path / "run", *changed(*SMALL, "data.min_events=2", *settings))
    go("export", tmp_path / "run")
    source = changed(f"data.source={tmp_path / 'new.csv'}", "data.split=none")
    go("fit", "--from", tmp_path / "run", "--freeze", "-o", tmp_path / "next", *source)
    go("export", tmp_path / "next")
    scorer = EdgeScorer.load(tmp_path / "run" / "model.safetensors")
    scorer.catalog.load(tmp_path / "next" / "overlay.safetensors")
    assert "film-134" in scorer.catalog.added


def test_bad_input_is_refused_before_training(base, frozen, warm, files, update, tmp_path):
    def said(*words) -> str:
        output = tmp_path / "out"
        message = error("fit", "-o", output, *words)
        assert not best_checkpoint(output).exists()
        return message

    start = ["--from", base]
    assert "name it with --from RUN" in said("--freeze", *update)
    assert "add --from RUN" in said(*changed("train.freeze=true"))
    assert "its weights would not fit" in said(*start, *changed("model.num_layers=2"))
    old = changed(f"data.source={files['old']}", "data.split=none")
    assert "all items with at least" in said(*start, "--freeze", *old)
    assert "there is no such checkpoint" in said("--from", tmp_path / "none")
    assert "train.loss=full" in said(
        *start, "--freeze", *update, *changed("train.loss=sampled", "train.negatives=8")
    )
    assert "train.shard_items=false" in said(*start, *changed("train.shard_items=true"))
    assert "choose one" in said(*start, "--like", base)
    assert "choose one" in said(*start, "-c", "x.yaml")
    assert "train.devices=1" in said(*start, "--freeze", *update, *changed("train.devices=2"))
    assert "cannot be overwritten" in error("fit", *start, "-o", base, "--overwrite")
    assert "only for recgrela-train fit" in error(
        "compare", "-o", tmp_path / "c", *changed(f"train.start_from={base}")
    )


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ("1000 + item_id", "none of the model's 34 items"),
        ("'film-' || item_id", "item ids are text, such as 'film-100'; those of the model are n"),
    ],
)
def test_data_with_other_ids_is_refused(base, files, tmp_path, ids, says):
    events = pl.read_csv(files["new"])
    other = pl.SQLContext(events=events).execute(
        f"SELECT user_id, {ids} AS item_id, timestamp FROM events", eager=True
    )
    other.write_csv(tmp_path / "other.csv")
    source = changed(f"data.source={tmp_path / 'other.csv'}")
    assert says in error("fit", "--from", base, "-o", tmp_path / "out", *source)
    assert not (tmp_path / "out").exists()


def test_an_overlay_for_another_file_is_refused(base, frozen, warm, files, tmp_path):
    other = tmp_path / "other"
    config = changed(f"data.source={files['old']}", "seed=3", "train.max_epochs=1")
    go("fit", "--config", base / "config.yaml", "-o", other, *config)
    go("export", other)
    go("export", warm, "-o", tmp_path / "warm.safetensors")
    path, wide = tmp_path / "o.safetensors", np.zeros((8, 8))
    save_file({"catalog.table": wide, "blocks.0.input.weight": wide}, tmp_path / "f64.safetensors")
    for file, says in (
        (other / "model.safetensors", "other weights, first in"),
        (tmp_path / "warm.safetensors", "which are not the first"),
        (tmp_path / "none.safetensors", "there is no"),
        (files["old"], "not a model file"),
        (tmp_path / "f64.safetensors", "not a model file of recgrela-train export: 'F64'"),
    ):
        assert says in error("export", frozen, "--deployed", file, "-o", path)
    assert "omit --table" in error("export", frozen, "--table", "int8")
    assert "omit it" in error("export", warm, "--deployed", other / "model.safetensors")
    assert not path.exists()


def test_events_after_those_of_an_update_are_measured_without_a_warning(frozen, files):
    later = changed(f"data.source={files['newer']}", "data.split=time")
    for validation, test, warned in (("27", "28", False), ("15", "28", True), ("15", "20", True)):
        cuts = changed(
            f"data.validation_from=2023-12-{validation}", f"data.test_from=2023-12-{test}"
        )
        result = CliRunner().invoke(app, ["evaluate", str(frozen), "--test", *later, *cuts])
        assert result.exit_code == 0, result.exception
        assert ("may have been trained on" in result.output.replace("\n", " ")) == warned
