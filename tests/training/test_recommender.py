"""The Python API: the commands' results from code, on tables."""

import copy
import gc
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from lightning import Callback
from lightning.pytorch.loggers import CSVLogger
from polars.testing import assert_frame_equal
from recgrela import EdgeScorer
from recgrela_train import Recommender
from recgrela_train.cli import app
from recgrela_train.config import ConfigError
from recgrela_train.data import DataError
from recgrela_train.data.errors import DataWarning
from recgrela_train.evaluation.recommend import recommend
from recgrela_train.export.errors import ExportError
from recgrela_train.fitting.fit import RunError
from recgrela_train.recommender import NotFittedError
from typer.testing import CliRunner

from tests.training.conftest import SMALL

NAMES = {"data.user_column": "who", "data.item_column": "what", "data.time_column": "when"}
SETTINGS = NAMES | dict(setting.split("=") for setting in SMALL) | {"data.split": "time"}


def walks(users: int = 40) -> pl.DataFrame:
    """Users who walk around a ring of thirty items, a step a day."""
    random = np.random.default_rng(1)
    rows = []
    for user in range(users):
        steps = random.integers(1, 3, size=random.integers(6, 40))
        walk = (random.integers(30) + np.cumsum(steps)) % 30
        start = random.integers(40)
        rows += [
            (f"u{user}", f"i{item:02}", 86400 * (start + day)) for day, item in enumerate(walk)
        ]
    events = pl.DataFrame(rows, schema=["who", "what", "when"], orient="row")
    return events.with_columns(pl.from_epoch("when"))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Recommender:
    run = tmp_path_factory.mktemp("runs") / "table"
    return Recommender(SETTINGS, verbose=False).fit(walks(), run=run)


def invoke(*words) -> tuple[str, BaseException | None]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.output, result.exception


def test_importing_the_package_loads_nothing_slow():
    code = (
        "import sys, recgrela_train\n"
        "print(sorted({'torch', 'lightning', 'polars', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == ["[]"], result.stderr


def test_metrics_are_a_mapping_and_a_table(fitted):
    metrics = fitted.evaluate()
    assert set(metrics["test"]) == {"stream", "window"}
    ndcg = metrics["test"]["stream"]["ndcg@10"]
    assert 0 < ndcg < 1
    assert metrics["targets"]["test"].keys() == {"targets", "users", "repeated", "unknown"}
    for shown in (str(metrics), metrics._repr_mimebundle_((), ())["text/html"]):
        assert "validation: 30 items" in shown
        assert f"{ndcg:.4f}" in shown
        assert "exclude_seen=history" in shown


def test_the_recommendations_are_those_of_the_engine(fitted, tmp_path):
    fitted.export(tmp_path / "model.safetensors")
    scorer = EdgeScorer.load(tmp_path / "model.safetensors")
    found = fitted.recommend(k=5)
    histories = walks().sort("who", "when").group_by("who", maintain_order=True).agg("what")
    compared = 0
    for user, items in histories.iter_rows():
        session = scorer.new_session()
        session.extend(items)
        best = session.top_k(5)
        mine = found.filter(pl.col("user") == user).sort("rank")
        assert mine["item"].to_list() == best.ids
        assert mine["rank"].to_list() == list(range(1, len(best) + 1))
        np.testing.assert_allclose(mine["score"], best.scores, rtol=1e-4, atol=1e-5)
        compared += len(best)
    assert compared == len(found) > 100


def test_users_are_recommended_to_in_the_given_order(fitted):
    everyone = fitted.recommend(k=3)
    some = fitted.recommend(pd.Series(["u7", "u31", "u7"]), k=3)
    for place, user in enumerate(["u7", "u31", "u7"]):
        assert_frame_equal(
            some[3 * place : 3 * place + 3], everyone.filter(user=user), abs_tol=1e-5
        )
    assert fitted.recommend([], k=3).is_empty()


def test_no_more_items_than_there_are(fitted):
    seen = walks().group_by("who").agg(pl.col("what").n_unique())
    counts = fitted.recommend(k=1000).group_by("user").len()
    both = seen.join(counts, left_on="who", right_on="user", how="left").fill_null(0)
    assert (both["what"] + both["len"] == 30).all()


@pytest.mark.parametrize(
    ("users", "k", "says"),
    [
        ([1, 2], 3, "users are Int64, expected String as in the data"),
        (["u1"], 0, "k is 0, expected at least 1"),
    ],
)
def test_users_that_cannot_be_recommended_to(fitted, users, k, says):
    with pytest.raises(ValueError, match=says):
        fitted.recommend(users, k)


def test_a_user_without_a_history_gets_the_answer_of_the_start_vector(fitted):
    found = fitted.recommend(["u1", "nobody", "noone"], k=3)
    assert found["user"].to_list() == ["u1"] * 3 + ["nobody"] * 3 + ["noone"] * 3
    assert_frame_equal(found[:3], fitted.recommend(["u1"], k=3), abs_tol=1e-5)
    model = fitted._model.checkpoint.model
    scores = (model.embedding.weight[1:] @ model.start).detach()
    best = scores.topk(3)
    for part in (found[3:6], found[6:]):
        assert part["score"].to_list() == pytest.approx(best.values.tolist())
        ids = fitted._model.checkpoint.item_ids
        assert part["item"].to_list() == [ids[i] for i in best.indices]
    assert fitted.recommend(["nobody"], k=3)["item"].to_list() == found[3:6]["item"].to_list()


def test_a_network_without_a_start_vector_cannot_answer_without_a_history(fitted):
    model = copy.deepcopy(fitted._model.checkpoint.model)
    model.start = None
    dataset, settings = fitted._model.dataset, fitted.config.evaluate
    assert len(recommend(model, dataset, ["u1"], 3, settings)) == 3
    with pytest.raises(ValueError, match="2 of 3 users are unknown, such as 'nobody'"):
        recommend(model, dataset, ["u1", "nobody", "noone"], 3, settings)


def test_other_events_are_histories_too(fitted):
    later = walks().with_columns(who="new-" + pl.col("who"))
    found = fitted.recommend(["new-u7"], k=3, events=later.to_pandas())
    assert_frame_equal(found.drop("user"), fitted.recommend(["u7"], k=3).drop("user"), abs_tol=1e-5)


def test_callbacks_and_loggers_stand_beside_our_own(tmp_path):
    class Watch(Callback):
        seen: list[float] = []  # noqa: RUF012

        def on_validation_end(self, trainer, module):
            self.seen.append(float(trainer.callback_metrics["validation/ndcg@10"]))

    logger = CSVLogger(tmp_path, name="csv", version="")
    recommender = Recommender(SETTINGS, verbose=False)
    recommender.fit(walks(), run=tmp_path / "run", callbacks=[Watch()], logger=logger)
    logged = pl.read_csv(tmp_path / "csv" / "metrics.csv")["validation/ndcg@10"].drop_nulls()
    assert len(Watch.seen) == 2
    assert logged.to_list() == pytest.approx(Watch.seen)
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_an_error_of_a_callback_is_passed_on(tmp_path):
    class Pruned(Exception):  # noqa: N818
        pass

    class Prune(Callback):
        def on_validation_end(self, trainer, module):
            raise Pruned

    with pytest.raises(Pruned):
        Recommender(SETTINGS, verbose=False).fit(walks(), run=tmp_path, callbacks=[Prune()])
    Recommender(SETTINGS, verbose=False).fit(walks(), run=tmp_path)  # nothing was kept
    with pytest.raises(RunError, match="already holds a run"):
        Recommender(SETTINGS, verbose=False).fit(walks(), run=tmp_path)


def test_a_run_is_continued(fitted, tmp_path):
    first = Recommender(SETTINGS | {"train.max_epochs": 1}, verbose=False)
    first.fit(walks(), run=tmp_path)
    settings = {"train.max_epochs": 2}
    second = Recommender(settings, config=tmp_path / "config.yaml", verbose=False)
    second.fit(walks().to_pandas(), run=tmp_path, resume=True)
    assert dict(second.evaluate()) == dict(fitted.evaluate())


def test_a_temporary_run_goes_with_its_recommender():
    state = torch.get_rng_state()
    recommender = Recommender(SETTINGS, verbose=False).fit(walks())
    assert torch.equal(torch.get_rng_state(), state)  # the caller's, whatever the seed of the run
    run = recommender.run
    assert (run / "config.yaml").is_file()
    del recommender
    gc.collect()
    assert not run.exists()


def test_several_processes_need_a_named_folder():
    with pytest.raises(ConfigError, match="2 processes train in one folder: name it with run="):
        Recommender(SETTINGS | {"train.devices": 2}).fit(walks())


def test_the_command_measures_the_run_of_a_table_on_a_file(fitted, tmp_path):
    file = tmp_path / "events.parquet"
    walks().write_parquet(file)
    for words in (
        ["evaluate", fitted.run],
        ["fit", "--resume", "--output", fitted.run],
        ["export", fitted.run, "--table", "int8", "--max-ndcg-drop", "1", "-o", tmp_path / "x"],
    ):
        output, error = invoke(*words)
        assert "a table in memory: name a file of the same events with --set data" in str(error)
    metrics = fitted.run / "metrics.json"
    fitted.evaluate().save(metrics)
    assert f"evaluate RUN --set data.source=FILE --output {'RUN'}" in str(
        invoke("report", fitted.run)[1]
    )
    saved = json.loads(metrics.read_bytes())
    source = f"data.source={file}"
    output, error = invoke("evaluate", fitted.run, "-o", metrics, "--set", source)
    assert error is None
    assert "warning" not in output
    measured = json.loads(metrics.read_bytes())
    assert saved.pop("config")["data"]["source"] == "a table in memory"
    assert measured.pop("config")["data"]["source"] == str(file)
    assert measured == saved
    assert invoke("report", fitted.run)[1] is None
    assert invoke("fit", "--resume", "--output", fitted.run, "--set", source)[1] is None


def test_a_loaded_run_is_measured_and_exported(fitted, tmp_path):
    walks().write_parquet(tmp_path / "events.parquet")
    settings = {
        "data.source": str(tmp_path / "events.parquet"), "evaluate.exclude_seen": "none"
    }  # fmt: skip
    loaded = Recommender.load(fitted.run, settings, verbose=False)
    path = tmp_path / "metrics.json"
    words = [word for pair in settings.items() for word in ("--set", "=".join(pair))]
    assert invoke("evaluate", fitted.run, "-o", path, *words)[1] is None
    values = json.loads(path.read_bytes())
    assert loaded.evaluate()["test"] == values["test"]
    assert_frame_equal(loaded.recommend(k=3), fitted.recommend(k=3), abs_tol=1e-5)
    done = loaded.export(tmp_path / "model.safetensors", table="int8", matrices="f16")
    assert done.loss.before == pytest.approx(values["validation"]["stream"]["ndcg@10"])
    assert EdgeScorer.load(tmp_path / "model.safetensors").table_dtype == "int8"
    with pytest.raises(ConfigError, match=r"model\.num_layers was 1 .* cannot become 2"):
        Recommender.load(fitted.run, {"model.num_layers": 2})


def test_newer_events_are_measured_without_a_warning(fitted, recwarn):
    newer = walks().with_columns(pl.col("when") + pl.duration(days=200))
    metrics = fitted.evaluate(pl.concat([walks(), newer]))
    assert metrics["targets"]["test"]["users"] == 40
    assert not [one for one in recwarn if issubclass(one.category, DataWarning)]


def test_a_measured_run_is_repeated_on_all_events(fitted, tmp_path):
    fitted.evaluate()
    with pytest.raises(ConfigError, match="is the run to repeat"):
        Recommender.like(fitted.run, verbose=False).fit(walks(), run=fitted.run, overwrite=True)
    production = Recommender.like(fitted.run, verbose=False).fit(walks())
    assert production.config.data.split == "none"
    with pytest.raises(ConfigError, match="holds out no events"):
        production.evaluate()
    card = production.export(tmp_path / "model.safetensors").card
    assert card["all_events"]["events"] == len(walks())
    assert card["test"]["ndcg@10"][0] == pytest.approx(
        fitted.evaluate()["test"]["stream"]["ndcg@10"], abs=1e-5
    )


def test_other_data_is_measured_with_a_warning(fitted):
    earlier = {"data.validation_from": "1970-01-20", "data.test_from": "1970-01-30"}
    loaded = Recommender.load(fitted.run, earlier, verbose=False)
    with pytest.warns(DataWarning, match="not the histories that the checkpoint was trained on"):
        loaded.evaluate(walks())


def test_a_baseline_needs_no_fit(fitted):
    other = Recommender(SETTINGS, verbose=False).baseline("markov", walks())
    assert dict(other) == dict(fitted.baseline("markov"))
    assert other["test"] != fitted.baseline("popularity")["test"]
    with pytest.raises(ConfigError, match="no baseline 'mean', expected one of popularity, markov"):
        fitted.baseline("mean")


def test_what_is_rounded_too_much_is_not_written(fitted, tmp_path):
    with pytest.raises(ExportError, match=r"is the checkpoint itself"):
        fitted.export(fitted.run / "checkpoints" / "best.ckpt")
    loaded = Recommender.load(fitted.run, verbose=False)
    with pytest.warns(DataWarning, match="the loss by rounding was not measured"):
        assert loaded.export(tmp_path / "m.safetensors", table="f16").loss is None
    with pytest.raises(ValueError, match="'f8' is not a valid WeightType"):
        fitted.export(tmp_path / "m.safetensors", table="f8")


def test_it_says_what_it_knows(fitted):
    assert repr(fitted) == "<Recommender: grela, 30 items>"
    assert repr(Recommender()) == "<Recommender: grela, not fitted>"


def test_without_a_model_there_is_nothing_to_do(tmp_path):
    for call in ("evaluate", "recommend"):
        with pytest.raises(NotFittedError, match="call fit"):
            getattr(Recommender(), call)()


@pytest.mark.parametrize(
    ("settings", "kind", "says"),
    [
        ({"train.max_epoch": 1}, ConfigError, "did you mean 'train.max_epochs'"),
        ({"train": {"window": 9}}, ConfigError, "name each, such as 'train.window'"),
        ({"train.window": "many"}, ConfigError, "train.window: Input should be a valid integer"),
        ("demo.yaml", TypeError, "expected a dict; name a file with config="),
    ],
)
def test_settings_are_checked_at_once(settings, kind, says):
    with pytest.raises(kind, match=says):
        Recommender(settings)


def test_a_config_is_changed_by_settings(fitted):
    other = Recommender({"seed": 7}, config=fitted.config)
    assert other.config.seed == 7
    assert other.config.model == fitted.config.model
    with pytest.raises(DataError, match="pass the table in Python"):
        other.fit()
