"""The report: one self-contained page, its numbers checked by hand, and refused runs."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest
from datasets import make_dataset
from in_process import changed
from recgrela_train.evaluation.bootstrap import differences
from recgrela_train.evaluation.counting import COUNTING, measure_counts
from recgrela_train.evaluation.measurement import read_measurement
from recgrela_train.evaluation.metrics import summarize
from recgrela_train.evaluation.summary import LENGTHS
from recgrela_train.export.model_file import export_model
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.report import ReportError, write_report
from recgrela_train.report.charts import Axis, bar_chart, interval_chart, line_chart
from recgrela_train.report.engine import measure_engine
from recgrela_train.report.popularity import PopularityGroups, lean
from recgrela_train.report.runs import load_histories, load_runs
from rich.console import Console

VOID = {"meta"}  # other tags are self-closing


class Page(HTMLParser):
    """Checks that tags nest, and collects link targets and text."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids |= {value for name, value in attrs if name == "id"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if self.open and self.open[-1] != "style" else ""


@pytest.fixture
def another(finished_run, tmp_path):
    """A copy of the run under another name, to modify."""
    run = tmp_path / "another"
    shutil.copytree(finished_run, run)
    return run


def change(run, edit):
    """Rewrite the metrics of a run."""
    path = run / "metrics.json"
    metrics = json.loads(path.read_text())
    edit(metrics)
    path.write_text(json.dumps(metrics))


def test_the_command_writes_a_page_that_stands_alone(finished_run, command, tmp_path):
    output = tmp_path / "page.html"
    result = command("report", finished_run, "--output", output)
    assert result.returncode == 0, result.stderr
    content = output.read_text()
    page = Page(content)
    links = [value for name, value in page.attributes if name in ("href", "src")]
    assert all(link.startswith("#") and link[1:] in page.ids for link in links)
    assert "url(" not in content
    assert "@import" not in content
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    for readout in ("stream", "window"):
        assert f"{metrics['test'][readout]['ndcg@10']:.4f}" in page.text
    low, high = metrics["intervals"]["test"]["stream"]["hr@10"]
    assert f"{low:.4f} to {high:.4f}" in page.text
    for words in (
        "Validation NDCG@10",
        "Training loss",
        "NDCG@10 by events of history",
        "NDCG@10 by training events of the item",
        "ties in time",
        "exclude_seen=history",
    ):
        assert words in page.text
    assert "model.num_layers" in page.text
    assert "comparison" not in page.ids


def test_every_picture_has_a_name_and_its_numbers(finished_run, tmp_path):
    write_report([finished_run], tmp_path / "page.html", None)
    content = (tmp_path / "page.html").read_text()
    charts = re.findall(r'<svg class="chart" role="img" aria-label="([^"]+)"', content)
    assert len(charts) == len(set(charts)) == 5
    assert content.count("<table") >= len(charts)
    # The rows of the curve's table are the epochs.
    assert content.count('<tr><th scope="row">2</th>') >= 2


def test_runs_are_compared_user_by_user_with_the_first(finished_run, another, tmp_path):
    measurement = read_measurement(another / "metrics.json")
    ranks = measurement.test.ranks["stream"]
    with np.load(another / "metrics.targets.npz") as file:
        arrays = dict(file)
    arrays["test.rank.stream"] = np.maximum(ranks - 3, 1)
    np.savez(another / "metrics.targets.npz", **arrays)
    names = write_report([finished_run, another], tmp_path / "page.html", None)
    assert names == [finished_run.name, "another"]
    page = Page((tmp_path / "page.html").read_text())
    assert "comparison" in page.ids
    value, low, high = differences(np.maximum(ranks - 3, 1), ranks, measurement.test.users)[
        "ndcg@10"
    ]
    assert low > 0
    assert f"{value:+.4f}" in page.text
    assert f"{low:+.4f} to {high:+.4f}" in page.text
    assert "better" in page.text


def test_a_run_with_the_window_alone_has_a_report(finished_run, another, tmp_path):
    window = read_measurement(another / "metrics.json").test.ranks["window"]
    with np.load(another / "metrics.targets.npz") as file:
        arrays = {name: array for name, array in file.items() if not name.endswith("stream")}
    arrays["test.rank.window"] = np.maximum(window - 3, 1)
    np.savez(another / "metrics.targets.npz", **arrays)

    def drop_stream(metrics):
        for part in (metrics, metrics["intervals"]):
            for split in ("validation", "test"):
                del part[split]["stream"]
        for rows in metrics["slices"]["test"].values():
            for row in rows:
                del row["stream"], row["stream-window"]
        for key in ("other_exclusion", "by_user"):
            del metrics[key]["test"]["stream"]

    change(another, drop_stream)
    write_report([another], tmp_path / "page.html", None)
    assert "NDCG@10, test, window" in Page((tmp_path / "page.html").read_text()).text

    write_report([finished_run, another], tmp_path / "page.html", None)
    text = Page((tmp_path / "page.html").read_text()).text
    assert "test split, window read-out" in text
    value, low, high = differences(np.maximum(window - 3, 1), window)["ndcg@10"]
    assert f"{value:+.4f}" in text
    assert f"{low:+.4f} to {high:+.4f}" in text


def test_titles_stand_in_the_examples_as_text(finished_run, tmp_path):
    titles = tmp_path / "titles.tsv"
    titles.write_text("".join(f"{100 + n}\tStop <script>{n}</script>\n" for n in range(30)))
    write_report([finished_run], tmp_path / "page.html", titles)
    page = Page((tmp_path / "page.html").read_text())
    assert (
        len(re.findall(r"Stop <script>\d+</script>", page.text)) >= 12
    )  # a history, the next event, and the top 10
    assert "script" not in page.tags
    assert "To show titles" not in page.text
    write_report([finished_run], tmp_path / "page.html", None)
    assert "To show titles" in Page((tmp_path / "page.html").read_text()).text


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "cannot read the titles"), ("1\tone\n2 two\n", "line 2: expected an item id, a tab")],
)
def test_titles_that_cannot_be_read_are_named(finished_run, tmp_path, text, says):
    titles = tmp_path / "titles.tsv"
    if text:
        titles.write_text(text)
    with pytest.raises(ReportError, match=rf"titles\.tsv.*{says}"):
        write_report([finished_run], tmp_path / "page.html", titles)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda run: shutil.rmtree(run), "not a run or a baseline: "),
        (lambda run: (run / "config.yaml").write_text("model: {layers: 2}"), "damaged: unknown"),
        (lambda run: (run / "metrics.json").unlink(), "not finished: .*fit --resume"),
        (lambda run: (run / "metrics.json").write_text("{"), "not the metrics of a run"),
        (lambda run: (run / "metrics.json").write_text("[]"), "not the metrics of a run"),
        (lambda run: change(run, lambda f: f.pop("intervals")), "KeyError: 'intervals'"),
        (lambda run: change(run, lambda f: f["test"]["stream"].update(new=1)), "KeyError: 'new'"),
        (lambda run: change(run, lambda f: f.update(test=[])), "AttributeError|KeyError"),
        (lambda run: change(run, lambda f: f["validation"].pop("window")), "read-outs differ"),
        (
            lambda run: change(run, lambda f: f["slices"]["test"][LENGTHS][0].pop("window")),
            "slices",
        ),
        (lambda run: change(run, lambda f: f.pop("other_exclusion")), "other_exclusion"),
        (lambda run: change(run, lambda f: f["targets"]["test"].pop("repeated")), "targets"),
        (lambda run: (run / "metrics.targets.npz").unlink(), "no such file"),
        (lambda run: (run / "metrics.targets.npz").write_bytes(b"PK"), "not readable"),
        (
            lambda run: change(run, lambda f: f["config"]["data"].update(min_events=20)),
            "changed since",
        ),
    ],
)
def test_what_is_no_finished_run_is_named(another, tmp_path, damage, says):
    damage(another)
    with pytest.raises(ReportError, match=says) as caught:
        write_report([another], tmp_path / "page.html", None)
    assert "another" in str(caught.value)
    assert not (tmp_path / "page.html").exists()


def test_runs_that_cannot_be_compared_are_refused(finished_run, another):
    with pytest.raises(ReportError, match="named twice"):
        load_runs([another, another / ".." / "another"])
    change(another, lambda f: f["config"]["evaluate"].update(exclude_seen="window"))
    with pytest.raises(
        ReportError, match=r"exclude_seen=history, .* another with .*exclude_seen=window"
    ):
        load_runs([finished_run, another])
    with np.load(another / "metrics.targets.npz") as file:
        np.savez(another / "metrics.targets.npz", **{**file, "data": np.array("0" * 64)})
    with pytest.raises(ReportError, match="measured on different histories"):
        load_runs([finished_run, another])


def test_runs_of_one_name_keep_as_much_of_their_path_as_tells_them_apart(another, tmp_path):
    shutil.copytree(another, tmp_path / "other" / "another")
    runs = load_runs([another, tmp_path / "other" / "another"])
    assert [run.name for run in runs] == [f"{tmp_path.name}/another", "other/another"]


def test_an_epoch_that_was_run_again_counts_once(another):
    (epochs,) = {len(values) for values in load_runs([another])[0].curves.values()}
    (log,) = (another / "tensorboard").glob("events.out.*")
    shutil.copy(log, log.with_name(log.name.replace("tfevents.", "tfevents.9")))
    curves = load_runs([another])[0].curves
    assert epochs == 2
    assert {len(values) for values in curves.values()} == {2}
    shutil.rmtree(another / "tensorboard")
    assert load_runs([another])[0].curves == {}


def test_baselines_are_measured_on_the_same_targets(finished_run, small_dataset, tmp_path):
    write_report([finished_run], tmp_path / "page.html", None)
    text = Page((tmp_path / "page.html").read_text()).text
    (run,) = load_runs([finished_run])
    test = run.measurement.test
    for name, kind in COUNTING.items():
        settings = run.config.evaluate
        counted = measure_counts(
            kind(small_dataset), small_dataset, settings, Console(quiet=True)
        ).test.ranks["stream"]
        value, low, high = differences(test.ranks["stream"], counted, test.users)["ndcg@10"]
        row = text.partition(f"\n{name}")[2].partition("\n")[0]
        assert row.startswith(f"{summarize(counted)['ndcg@10']:.4f}")
        assert row.endswith(f"{value:+.4f}{low:+.4f} to {high:+.4f}")


def test_a_baselines_folder_is_a_run(finished_run, small_settings, command, tmp_path):
    folder = tmp_path / "popularity"
    result = command("baseline", "popularity", "-o", folder, *small_settings)
    assert result.returncode == 0, result.stderr
    assert write_report([folder], tmp_path / "alone.html", None) == ["popularity"]
    write_report([finished_run, folder], tmp_path / "page.html", None)
    text = Page((tmp_path / "page.html").read_text()).text
    assert "These runs have no logged epochs" in Page((tmp_path / "alone.html").read_text()).text
    assert "popularity minus it" in text


def test_users_have_pseudonyms_unless_their_ids_are_asked_for(another, tmp_path, command):
    output = tmp_path / "page.html"
    write_report([another], output, None)
    text = Page(output.read_text()).text
    assert re.findall(r"User (\w+),", text) == [str(n + 1) for n in range(text.count("Next came"))]
    assert "use. Users have pseudonyms" in " ".join(text.split())
    assert "shows their ids. To show titles" in " ".join(text.split())
    result = command("report", another, "-o", output, "--user-ids")
    assert result.returncode == 0, result.stderr
    text = Page(output.read_text()).text
    (run,) = load_runs([another])
    chosen = {str(user) for user in load_histories(run).user_ids}
    shown = re.findall(r"User (\w+),", text)
    assert set(shown) <= chosen
    assert shown != [str(n + 1) for n in range(len(shown))]
    assert "Users are shown with their ids" in text


def test_both_exclusions_and_the_share_of_repeats_are_shown(another, tmp_path):
    def edit(metrics):
        metrics["targets"]["test"]["repeated"] = 0.4321
        metrics["other_exclusion"]["test"]["stream"]["ndcg@10"] = 0.98765

    change(another, edit)
    write_report([another], tmp_path / "page.html", None)
    text = Page((tmp_path / "page.html").read_text()).text
    assert "43.2% of the test targets are repeated" in text
    assert "0.9877" in text
    assert "NDCG@10, exclude_seen=none" in text


def test_the_cost_of_an_exported_run(another, tmp_path):
    pytest.importorskip("recgrela")
    (run,) = load_runs([another])
    dataset = load_histories(run)
    assert measure_engine(another, dataset) == f"not exported: recgrela-train export {another}"
    trained = load_checkpoint(best_checkpoint(another))
    path = another / "model.safetensors"
    export_model(trained.model, trained.item_ids, path)
    cost = measure_engine(another, dataset)
    assert cost.file_bytes == path.stat().st_size
    assert 0 < cost.state_bytes - trained.model.state_bytes() <= 4 * dataset.num_items
    assert 0 < cost.event_us < 1e5
    write_report([another], tmp_path / "page.html", None)
    assert "microseconds" in Page((tmp_path / "page.html").read_text()).text
    path.write_bytes(b"no model")
    assert "cannot be loaded" in measure_engine(another, dataset)


def test_dates_cuts_and_days_of_a_split_by_time(tmp_path, command, small_settings):
    source = tmp_path / "events.csv"
    rows = [f"{n % 9},{n % 7 + n // 90},{1_700_000_000 + 6000 * n}" for n in range(300)]
    source.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n")
    words = [word for word in small_settings if "source=" not in word and "split=" not in word]
    settings = [word for word in words if word != "--set"]
    settings += [f"data.source={source}", "train.max_epochs=1"]
    result = command("baseline", "markov", "-o", tmp_path / "markov", *changed(*settings))
    assert result.returncode == 0, result.stderr
    write_report([tmp_path / "markov"], tmp_path / "page.html", None)
    text = Page((tmp_path / "page.html").read_text()).text
    assert "2023-11-14 22:13:20 to 2023-12-05" in text
    assert "by time: validation from 2023-12-01" in text
    assert "NDCG@10 by days since the cut, markov" in text


def test_popularity_and_coverage_by_hand():
    # Twenty items. Item "0" has 11 training events of two users, all others one or none.
    user, item = [0] * 12 + [1] * 12, [0] * 10 + [1, 2] + [0] * 1 + list(range(3, 14))
    events = pl.DataFrame({"user": user, "item": item, "time": range(24)})
    popularity = PopularityGroups.of_training(make_dataset(events))
    # Held out: 1, 2 and 12, 13. Trained on: item 0 eleven times and 3 .. 11 once, 20 in total.
    assert popularity.share[0] == pytest.approx(11 / 20)
    assert popularity.share.sum() == pytest.approx(1)
    # 14 items in ten groups: the first four hold two items, the others one.
    expected = [12 / 20, 2 / 20, 2 / 20, 2 / 20, 1 / 20, 1 / 20, 0, 0, 0, 0]
    assert popularity.by_group() == pytest.approx(expected)
    got = lean(np.array([[1, 2], [1, 0]]), popularity)
    assert got.coverage == 2 / 14
    assert got.by_group.sum() == pytest.approx(1)
    assert got.by_group[0] >= 2 / 3
    assert got.ten_most == 1


def test_axes_have_round_ticks_that_hold_all_values():
    axis = Axis.around([0.0255, 0.0697], "{:.2f}".format, from_zero=False)
    assert (axis.low, axis.high, axis.step) == pytest.approx((0.02, 0.07, 0.01))
    axis = Axis.around([3.0], "{:.0f}".format, from_zero=True)
    assert (axis.low, axis.high) == (0, 3)
    flat = Axis.around([0.0, 0.0], "{:.0f}".format, from_zero=True)
    assert flat.low == 0 < flat.high


def test_charts_draw_values_where_they_belong_and_list_them():
    line = line_chart("t", "epoch", {"a": [0.0, 1.0], "b": [0.5]}, "{:.1f}".format)
    points = [re.findall(r"[\d.]+,[\d.]+", p) for p in re.findall(r'points="([^"]+)"', line.svg)]
    (low, high), (middle,) = (
        [tuple(map(float, p.split(","))) for p in some] for some in points[:2]
    )
    assert low[0] < high[0]
    assert low[1] > high[1]  # upwards is smaller
    assert middle[1] == pytest.approx((low[1] + high[1]) / 2, abs=0.1)
    assert line.rows == [["1", "0.0", "0.5"], ["2", "1.0", ""]]
    dots = interval_chart("t", "x", ["g"], {"a": [(0.5, 0.2, 0.9)]}, "{:.1f}".format)
    assert dots.rows == [["g", "0.5 (0.2 to 0.9)"]]
    bars = bar_chart("t", "x", ["g", "h"], {"a": [1.0, 0.5]}, "{:.1f}".format, [3])
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"', bars.svg)]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.1)
    assert bars.legend == [(3, "a")]
