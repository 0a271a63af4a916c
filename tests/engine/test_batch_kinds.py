"""A day with kinds of events: exact, carried by the state, and never guessed."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import recgrela.cli
from recgrela import Fleet
from recgrela.batch import BatchError, Moment, Previous, advance, spill

from tests.engine.batch_data import (
    InProcess,
    contents,
    part,
    random_events,
    read,
    replayed,
    shuffled,
    write,
)


@pytest.fixture(params=["int", "str"])
def model(request, export):
    return export(request.param, kinds=3)


def test_two_days_are_those_of_a_scorer_per_user(model, tmp_path, monkeypatch):
    days = [random_events(model, 700, seed, day=seed) for seed in (0, 1)]
    first, second, spilled = (part(tmp_path / name) for name in ("1", "2", "spilled"))
    advance(model.load(), None, days[0].to_batches(), first)
    assert read(first.parquet) == replayed(model, days[:1])
    previous = Previous(first.fleet, Moment(19, 0))
    advance(model.load(), previous, days[1].to_batches(), second)
    assert read(second.parquet) == replayed(model, days)
    other = days[1].set_column(3, "kind", [["view"] * 700])
    assert read(second.parquet) != replayed(model, [days[0], other])
    monkeypatch.setattr(spill, "HELD", 50)
    mixed = shuffled(days[1], 3).to_batches(max_chunksize=40)
    advance(model.load(), previous, mixed, spilled, scratch=tmp_path)
    assert contents(tmp_path / "spilled") == contents(tmp_path / "2")
    assert second.fleet.read_bytes()[:12] == b"RGRLFLET" + bytes([3, 0, 0, 0])
    assert len(Fleet.load(second.fleet, model.load())) == 40


def test_events_that_differ_by_kind_alone_are_in_the_order_of_their_kinds(model, tmp_path):
    kinds = ["view", "cart", "buy", "view"]
    rows = {"user": [7] * 4, "item": [model.ids[3]] * 4, "time": [5] * 4, "kind": kinds}
    if isinstance(model.ids[0], str):
        rows["user"] = ["seven"] * 4
    out = part(tmp_path)
    advance(model.load(), None, pa.table(rows).to_batches(), out)
    scorer = model.load()
    scorer.extend(rows["item"], kinds=sorted(kinds))
    top = scorer.top_k(10)
    assert read(out.parquet) == {rows["user"][0]: (top.ids, top.scores.tolist())}


@pytest.mark.parametrize("type", [pa.dictionary(pa.int8(), pa.string()), pa.string_view()])
def test_kinds_are_text_of_any_type(model, tmp_path, type):
    events = random_events(model, 100, 1)
    other = events.set_column(3, "kind", events["kind"].combine_chunks().cast(type))
    for name, table in (("plain", events), ("other", other)):
        advance(model.load(), None, table.to_batches(), part(tmp_path / name))
    assert contents(tmp_path / "other") == contents(tmp_path / "plain")


def without(table: pa.Table, column: str) -> pa.Table:
    return table.drop_columns([column])


def with_kinds(table: pa.Table, kinds: list) -> pa.Table:
    """The first kinds replaced."""
    kept = table["kind"].to_pylist()[len(kinds) :]
    return table.set_column(3, "kind", [kinds + kept])


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda t: without(t, "kind"), "found 0 columns named 'kind' among user, item, time; .*"
      "expected one with the kinds: rename it, or name it with --kind-column"),
     (lambda t: with_kinds(t, ["wish", "share", "wish"]), "found 3 events of unknown kinds, such "
      "as 'share', expected the model's kinds: view, cart, buy. Remove"),
     (lambda t: with_kinds(t, ["", "view"]), "found 1 events of unknown kinds, such as ''"),
     (lambda t: t.set_column(3, "kind", [[7] * len(t)]), "300 events of unknown kinds, .* '7'"),
     (lambda t: with_kinds(t, [None, None]), r"missing values \(2 without kind\)"),
     (lambda t: t.set_column(3, "kind", [[1.5] * len(t)]), "column 'kind' holds double; expected "
      "kinds of events: text or integers")],
)  # fmt: skip
def test_kinds_that_do_not_fit(export, tmp_path, change, message):
    model = export("int", kinds=3)
    events = change(random_events(model, 300, 1))
    with pytest.raises(BatchError, match=message):
        advance(model.load(), None, events.to_batches(), part(tmp_path))
    assert contents(tmp_path) == {}


def test_events_that_are_skipped_may_be_of_any_kind(export, tmp_path):
    model = export("int", kinds=3)
    events = random_events(model, 100, 1, day=1)
    skipped = {"user": [1, 2], "item": [4242, model.ids[0]], "time": [105, 3], "kind": ["x", "y"]}
    first = part(tmp_path / "1")
    days = [random_events(model, 100, 2), events]
    advance(model.load(), None, days[0].to_batches(), first)
    both = pa.concat_tables([events, pa.table(skipped)])
    outcome = advance(
        model.load(), Previous(first.fleet, Moment(19, 0)), both.to_batches(),
        part(tmp_path / "2"), late="skip",
    )  # fmt: skip
    assert (outcome.appended, outcome.unknown, outcome.late) == (100, 1, 1)
    assert read(tmp_path / "2" / "out") == replayed(model, days)


@pytest.fixture
def batch(tmp_path, command, monkeypatch):
    """Runs the command with a state of two partitions, without worker processes."""
    monkeypatch.setattr("recgrela.batch.one_machine._pool", lambda _: InProcess())

    def batch(model, events: Path, *more, out="out") -> tuple[int, str, str]:
        folders = ["--state", tmp_path / "state", "--out", tmp_path / out]
        return command(
            "batch", events, "--model", model.path, *folders, "--partitions", 2, *more
        )  # fmt: skip

    return batch


def test_the_command(export, tmp_path, batch):
    model = export("str", kinds=3)
    days = [random_events(model, 400, seed, day=seed) for seed in (0, 1)]
    for number, day in enumerate(days):
        path = write(day, tmp_path / f"events-{number}", files=2)
        status, text, _ = batch(model, path, "--kind-column", "kind", out=f"out-{number}")
        assert (status, text.splitlines()[0]) == (
            0, f"generation {number + 1}: 400 of 400 events appended, 0 at unknown items and 0 "
            "late ones skipped",
        )  # fmt: skip
    assert read(tmp_path / "out-0") == replayed(model, days[:1])
    assert read(tmp_path / "out-1") == replayed(model, days)
    again = batch(model, tmp_path / "events-1", "--kind-column", "kind", out="out-1")
    assert again[1].startswith("these 400 events are in generation 2 already")


def test_a_column_is_named_exactly_if_the_model_has_kinds(export, tmp_path, batch):
    model, plain = export("str", kinds=3), export("str")
    path = write(random_events(model, 50, 1), tmp_path / "events")
    status, _, error = batch(model, path)
    assert status == 1
    assert "has kinds of events (view, cart, buy), but no column of kinds is named: name" in error
    status, _, error = batch(plain, path, "--kind-column", "kind")
    assert status == 1
    assert "has no kinds of events, but the column 'kind' is named for them: omit it" in error
    status, _, error = batch(model, path, "--kind-column", "item_id")
    assert status == 1
    assert "50 events of unknown kinds" in error
    assert not (tmp_path / "out").exists()
    assert batch(plain, path)[0] == 0  # a column that is not named is not read


def test_events_at_the_watermark_of_other_kinds_are_other_events(export, tmp_path, batch):
    model = export("str", kinds=3)
    first = random_events(model, 100, 1)
    batch(model, write(first, tmp_path / "1"), "--kind-column", "kind")
    last = max(first["time"].to_pylist())
    newest = first.filter(pc.equal(first["time"], last))
    turned = [{"view": "cart", "cart": "buy", "buy": "view"}[kind] for kind in
              newest["kind"].to_pylist()]  # fmt: skip
    for number, (table, included) in enumerate(
        [(newest, len(newest)), (newest.set_column(3, "kind", [turned]), 0)], 2
    ):
        status, text, _ = batch(
            model,
            write(table, tmp_path / str(number)),
            "--kind-column",
            "kind",
            out=f"{number}-out",
        )
        assert status == 0
        assert f": {len(newest) - included:,} of {len(newest)} events appended" in text


def test_the_help_names_the_column(capsys):
    with pytest.raises(SystemExit):
        recgrela.cli.main(["batch", "--help"])
    assert "--kind-column NAME" in capsys.readouterr().out
