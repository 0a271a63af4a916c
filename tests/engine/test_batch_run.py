"""Runs over all partitions: equal bytes, repeated and continued, and refusals before any work."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from filelock import FileLock
from recgrela.batch import (
    BatchError,
    Choice,
    ModelFiles,
    ParquetSource,
    Summary,
    files,
    run,
    workers,
)
from recgrela.batch.folders import State

from tests.engine.batch_data import (
    InProcess,
    contents,
    random_events,
    read,
    replayed,
    shuffled,
    write,
)


@pytest.fixture(scope="module", autouse=True)
def in_process():
    """Lets the runs of this file start no processes; those of the command's tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recgrela.batch.one_machine._pool", lambda _: InProcess())
        yield


def start(model, events: Path, folder: Path, out: str = "out", **options) -> Summary:
    """A run with a state folder of 3 partitions, `out` beside it, and two workers."""
    source = ParquetSource.survey(events, ModelFiles(model.path, options.pop("overlay", None)))
    settings = {"partitions": 3, "workers": 2}
    for name in settings:
        settings[name] = options.pop(name, settings[name])
    return run(source, folder / "state", folder / out, Choice(**options), **settings)


@pytest.fixture(scope="module")
def days(export, tmp_path_factory) -> tuple:
    """Two days of events, their Parquet folders, and a folder in which both days have run."""
    model, folder = export("str"), tmp_path_factory.mktemp("days")
    days = [random_events(model, 800, seed, day=seed) for seed in (0, 1)]
    paths = [write(day, folder / f"events-{n}", files=2) for n, day in enumerate(days)]
    for number, path in enumerate(paths):
        start(model, path, folder, f"out-{number}")
    return model, days, paths, folder


def at_day_one(days, folder: Path) -> Path:
    """A copy of the state after the first day."""
    shutil.copytree(days[3] / "state", folder / "state")
    shutil.rmtree(folder / "state" / "000002")
    return folder


def test_two_days(days):
    model, events, _, folder = days
    assert read(folder / "out-0") == replayed(model, events[:1])
    assert read(folder / "out-1") == replayed(model, events)
    names = {path.name for path in (folder / "state").iterdir()}
    assert names == {".lock", "000001", "000002"}


def test_neither_files_nor_processes_change_a_byte(days, tmp_path):
    model, events, _, folder = days
    at_day_one(days, tmp_path)
    path = write(shuffled(events[1], 1), tmp_path / "events", files=5, row_group=13)
    summary = start(model, path, tmp_path, "out-1", workers=1, partitions=None)
    assert contents(tmp_path / "state") == contents(folder / "state")
    assert contents(tmp_path / "out-1") == contents(folder / "out-1")
    assert summary == Summary(2, False, 800, 800, 0, 0, 0, 40, 40)


def test_a_day_is_not_taken_in_twice(days, tmp_path):
    model, _, paths, folder = days
    at_day_one(days, tmp_path)
    for out in ("out-1", "out-1", "again"):
        repeated = (tmp_path / "out-1").exists()
        assert start(model, paths[1], tmp_path, out).repeated is repeated
    assert contents(tmp_path / "state") == contents(folder / "state")
    assert contents(tmp_path / "out-1") == contents(folder / "out-1")
    assert read(tmp_path / "again") == read(folder / "out-1")


def test_a_run_continues_with_the_partitions_that_are_missing(days, tmp_path):
    model, _, paths, folder = days
    at_day_one(days, tmp_path)
    shutil.copytree(folder / "out-1", tmp_path / "out-1")
    shutil.copytree(folder / "state" / "000002", tmp_path / "state" / "000002")
    (tmp_path / "state" / "000002" / "manifest.json").unlink()
    (tmp_path / "out-1" / "_SUCCESS").unlink()
    (tmp_path / "out-1" / "part-00001.parquet").unlink()
    (tmp_path / "out-1" / ".part-00001.parquet.x.unfinished").touch()
    (tmp_path / "state" / "000002" / "part-00001.fleet.0123456789abcdef.part").touch()
    (tmp_path / "state" / ".scratch").mkdir()
    kept = (tmp_path / "out-1" / "part-00000.parquet").stat().st_mtime_ns
    start(model, paths[1], tmp_path, "out-1")
    assert (tmp_path / "out-1" / "part-00000.parquet").stat().st_mtime_ns == kept
    assert contents(tmp_path / "state") == contents(folder / "state")
    assert contents(tmp_path / "out-1") == contents(folder / "out-1")


def failing(rename: Callable, left: Iterator) -> Callable:
    """A rename that works while `left` has elements."""

    def attempt(*paths: Path) -> Path:
        if next(left, None) is None:
            raise OSError("the disk is full")
        return rename(*paths)

    return attempt


def test_a_run_that_fails_at_any_rename_is_continued(days, tmp_path):
    model, _, paths, folder = days
    for count in range(100):
        place = at_day_one(days, tmp_path / str(count))
        with pytest.MonkeyPatch.context() as patch:
            left = iter(range(count))
            patch.setattr(Path, "rename", failing(Path.rename, left))
            patch.setattr(Path, "replace", failing(Path.replace, left))
            try:
                start(model, paths[1], place, "out-1")
            except OSError:
                pass
            else:
                break
        start(model, paths[1], place, "out-1")
        assert contents(place / "state") == contents(folder / "state")
        assert contents(place / "out-1") == contents(folder / "out-1")
    assert count == 7  # _run.json, run.json, three partitions, manifest.json, _SUCCESS


def test_an_unfinished_run_of_other_events_is_discarded(days, tmp_path):
    model, events, paths, folder = days
    at_day_one(days, tmp_path)
    other = write(events[1].slice(0, 500), tmp_path / "events")
    start(model, other, tmp_path)
    (tmp_path / "state" / "000002" / "manifest.json").unlink()
    with pytest.raises(BatchError, match=r"recommendations of another run .*events is 500 there"):
        start(model, paths[1], tmp_path)
    start(model, paths[1], tmp_path, "out-1")
    assert contents(tmp_path / "state") == contents(folder / "state")
    assert contents(tmp_path / "out-1") == contents(folder / "out-1")


def test_the_generation_before_is_kept_and_can_be_returned_to(days, tmp_path):
    model, _, _, folder = days
    shutil.copytree(folder / "state", tmp_path / "state")
    third = write(random_events(model, 50, 7, day=2), tmp_path / "events")
    start(model, third, tmp_path)
    assert not (tmp_path / "state" / "000001").exists()
    shutil.rmtree(tmp_path / "state" / "000003")
    first = contents(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    start(model, third, tmp_path)
    assert contents(tmp_path / "out") == first


def test_an_empty_day_recommends_from_the_state(days, tmp_path):
    model, events, _, _ = days
    at_day_one(days, tmp_path)
    nothing = write(events[1].slice(0, 0), tmp_path / "events")
    summary = start(model, nothing, tmp_path)
    assert (summary.events, summary.recommended, summary.generation) == (0, 40, 2)
    assert read(tmp_path / "out") == replayed(model, events[:1])
    with pytest.raises(BatchError, match="found no events, expected some for a new state"):
        start(model, nothing, tmp_path / "new")


def test_late_and_unknown_events_are_counted_over_all_partitions(days, tmp_path):
    model, events, _, _ = days
    at_day_one(days, tmp_path)
    unknown = pa.table({"user": ["a", "b"], "item": ["none", "none"], "time": [200, 201]})
    path = write(pa.concat_tables([*events, unknown]), tmp_path / "events")
    last = max(events[0]["time"].to_pylist())
    late = sum(time < last for time in events[0]["time"].to_pylist())
    with pytest.raises(
        BatchError, match=f"found {late} late events, the first at 0, but .* {last}:"
    ):
        start(model, path, tmp_path)
    with pytest.raises(BatchError, match="found 2 events at unknown items, such as 'none': skip"):
        start(model, path, tmp_path, late="skip", unknown="error")
    assert not (tmp_path / "out").exists()
    summary = start(model, path, tmp_path, late="skip")
    assert (summary.late, summary.unknown) == (late, 2)


def test_events_at_the_watermark_are_appended_once(days, tmp_path):
    model, events, _, _ = days
    at_day_one(days, tmp_path)
    last = max(events[0]["time"].to_pylist())
    newest = events[0].filter(pa.compute.equal(events[0]["time"], last))
    more = newest.slice(0, 1).set_column(1, "item", [[model.ids[0]]])
    doubtful = write(pa.concat_tables([*events, more]), tmp_path / "doubtful")
    with pytest.raises(BatchError, match=f"found {len(newest) + 1} events at {last}, the newest"):
        start(model, doubtful, tmp_path, late="skip")
    overlap = write(pa.concat_tables([newest, events[1]]), tmp_path / "overlap")
    summary = start(model, overlap, tmp_path)
    assert (summary.appended, summary.included, summary.late) == (800, len(newest), 0)
    assert read(tmp_path / "out") == replayed(model, events)
    shutil.rmtree(tmp_path / "state")
    at_day_one(days, tmp_path)
    start(model, write(more, tmp_path / "more"), tmp_path, "out-more")
    both = write(pa.concat_tables([events[0], more, events[1]]), tmp_path / "both")
    summary = start(model, both, tmp_path, "out-both", late="skip")
    assert (summary.appended, summary.included) == (800, len(newest) + 1)
    assert read(tmp_path / "out-both") == replayed(
        model, [pa.concat_tables([events[0], more]), events[1]]
    )


def test_a_repetition_with_another_overlay_leaves_the_state_as_it_is(days, tmp_path):
    model, _, paths, folder = days
    shutil.copytree(folder / "state", tmp_path / "state")
    shutil.rmtree(tmp_path / "state" / "000001")
    scorer = model.load()
    scorer.catalog.retire(model.ids[:3])
    scorer.catalog.save(tmp_path / "overlay")
    assert start(model, paths[1], tmp_path, overlay=tmp_path / "overlay").repeated
    assert contents(tmp_path / "state" / "000002") == contents(folder / "state" / "000002")
    found = read(tmp_path / "out")
    assert len(found) == 40
    assert not {*model.ids[:3]} & {item for items, _ in found.values() for item in items}
    start(model, paths[1], tmp_path, "new", only_new=True)
    assert read(tmp_path / "new") == read(folder / "out-1")


def test_recommendations_of_another_history_are_not_those_of_this_one(days, tmp_path):
    model, events, paths, folder = days
    shutil.copytree(folder / "out-1", tmp_path / "out-1")
    (tmp_path / "out-1" / "part-00001.parquet").unlink()
    start(model, write(events[0].slice(0, 700), tmp_path / "events"), tmp_path)
    with pytest.raises(BatchError, match=r"recommendations of another run \(lineage is"):
        start(model, paths[1], tmp_path, "out-1")


def test_old_generations_are_deleted_when_the_new_one_is_committed(days, tmp_path, monkeypatch):
    model, _, _, folder = days
    shutil.copytree(folder / "state", tmp_path / "state")
    third = write(random_events(model, 50, 7, day=2), tmp_path / "events")
    monkeypatch.setattr(State, "commit", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        start(model, third, tmp_path)
    assert (tmp_path / "state" / "000001" / "manifest.json").exists()


def test_a_day_of_unknown_items_is_refused(days, tmp_path):
    model, _, _, _ = days
    events = pa.table({"user": ["a", "b"], "item": ["none", "none"], "time": [200, 201]})
    with pytest.raises(BatchError, match="found 2 events, all at items that the model does not"):
        start(model, write(events, tmp_path / "events"), tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_model_replaced_during_a_run_is_refused(small):
    with pytest.raises(BatchError, match="was replaced while the run read it"):
        workers.load(workers.Model(ModelFiles(small.path), "another fingerprint", None))


def test_new_folders_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    files.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]


def test_another_model_needs_a_replay(days, export, tmp_path):
    _, events, paths, _ = days
    at_day_one(days, tmp_path)
    other = export("str", seed=4)
    with pytest.raises(BatchError, match=r"state of the model .*: replay all events into a new"):
        start(other, paths[1], tmp_path)
    whole = write(pa.concat_tables(events), tmp_path / "events")
    start(other, whole, tmp_path / "new")
    assert read(tmp_path / "new" / "out") == replayed(other, events)


def test_what_does_not_fit_is_refused_before_any_work(days, export, tmp_path):
    model, _, paths, _ = days
    at_day_one(days, tmp_path)
    before = contents(tmp_path)
    numbers = export("int")
    counted = write(random_events(numbers, 10, 1), tmp_path.with_name("counted"))
    broken = tmp_path.with_name("broken.parquet")
    broken.write_bytes(b"no Parquet")
    (tmp_path / "other" / "state").mkdir(parents=True)
    for path, folder, options, message in [
        (paths[1], tmp_path, {"partitions": 4}, "state of 3 partitions, expected 4: omit"),
        (paths[1], tmp_path / "new", {"partitions": 513}, "found 513 partitions, expected 512"),
        (paths[1], tmp_path, {"out": "state"}, r"/state \(state\) is inside .*/state \(out\)"),
        (paths[1], tmp_path, {"out": "../x.parquet"}, "found a file, expected a folder"),
        (paths[1], tmp_path, {"out": "../foreign"}, "found 'mine.txt' and no _run.json"),
        (
            paths[1],
            paths[1],
            {},
            r"/state \(state\) is inside .* \(events\): name separate folders",
        ),
        (counted, tmp_path, {}, "each item is of type int, but the model's ids have type str"),
        (broken, tmp_path, {}, "broken.parquet: cannot be read as Parquet"),
        (tmp_path / "none", tmp_path, {}, "found nothing there, expected a Parquet file"),
        (tmp_path, tmp_path.with_name("new"), {}, r"found no \*.parquet in this folder"),
    ]:
        tmp_path.with_name("x.parquet").touch()
        tmp_path.with_name("foreign").mkdir(exist_ok=True)
        tmp_path.with_name("foreign").joinpath("mine.txt").touch()
        with pytest.raises(BatchError, match=message):
            start(model, path, folder, **options)
    (tmp_path / "state" / "mine.txt").touch()
    with pytest.raises(BatchError, match=r"found 'mine\.txt', which is not of a state folder"):
        start(model, paths[1], tmp_path)
    (tmp_path / "state" / "mine.txt").unlink()
    (tmp_path / "state" / "202611").mkdir()
    (tmp_path / "state" / "202611" / "mine.txt").touch()
    with pytest.raises(BatchError, match="found '202611', which is not of a state folder"):
        start(model, paths[1], tmp_path)
    shutil.rmtree(tmp_path / "state" / "202611")
    assert contents(tmp_path) == before


def test_missing_values_are_counted_over_all_files(days, tmp_path):
    model, events, _, _ = days
    users = [None, *events[0]["user"].to_pylist()[1:-1], None]
    path = write(events[0].set_column(0, "user", [users]), tmp_path / "events", files=2)
    with pytest.raises(BatchError, match=r"missing values \(2 without user\)"):
        start(model, path, tmp_path)
    assert not (tmp_path / "out").exists()


def test_files_of_different_types(days, tmp_path):
    model, events, _, _ = days
    path = write(events[0], tmp_path / "events")
    dated = events[0].set_column(2, "time", events[0]["time"].cast(pa.timestamp("s")))
    shutil.copy(write(dated, tmp_path / "dated") / "0.parquet", path / "1.parquet")
    with pytest.raises(BatchError, match=r"1.parquet: each time is of type date, but .*0.parquet"):
        start(model, path, tmp_path)
    at_day_one(days, tmp_path)
    with pytest.raises(BatchError, match="each time is of type date, but the state"):
        start(model, tmp_path / "dated", tmp_path)


def test_a_state_has_one_run_at_a_time(days, tmp_path):
    model, _, paths, _ = days
    at_day_one(days, tmp_path)
    with (
        FileLock(tmp_path / "state" / ".lock"),
        pytest.raises(BatchError, match="another run is writing this state"),
    ):
        start(model, paths[1], tmp_path)


def test_added_items_come_from_an_overlay(days, tmp_path):
    model, events, _, _ = days
    scorer = model.load()
    scorer.catalog.add(["brand new"], [[1.0] * 16])
    scorer.catalog.retire(model.ids[:3])
    scorer.catalog.save(tmp_path / "overlay")
    items = ["brand new" if n % 9 == 0 else i for n, i in enumerate(events[0]["item"].to_pylist())]
    path = write(events[0].set_column(1, "item", [items]), tmp_path / "events")
    source = ParquetSource.survey(path, ModelFiles(model.path, tmp_path / "overlay"))
    summary = run(source, tmp_path / "state", tmp_path / "out", Choice(), workers=1, partitions=1)
    assert (summary.appended, summary.unknown) == (800, 0)
    found = read(tmp_path / "out")
    assert not {*model.ids[:3]} & {item for items, _ in found.values() for item in items}
    assert summary.users == len(found)
    today = write(events[1], tmp_path / "today")
    for overlay, given in ((None, "no overlay"), (tmp_path / "other", "other")):
        other = model.load()
        other.catalog.add(["another"], [[1.0] * 16])
        other.catalog.save(tmp_path / "other")
        expected = f"depends on 1 items that an overlay added, from 'brand new' on, but .*{given}"
        with pytest.raises(BatchError, match=expected):
            start(model, today, tmp_path, "out-1", overlay=overlay, partitions=None)
    assert not (tmp_path / "out-1").exists()


def test_new_vectors_of_added_items_count_from_their_day_on(days, tmp_path):
    model, events, _, _ = days
    overlays = [tmp_path / name for name in ("one", "two")]
    for overlay, value in zip(overlays, (1.0, -1.0), strict=True):
        scorer = model.load()
        scorer.catalog.add(["brand new"], [[value, -value] * 8])
        scorer.catalog.save(overlay)
    items = [["brand new", *day["item"].to_pylist()[1:]] for day in events]
    events = [day.set_column(1, "item", [new]) for day, new in zip(events, items, strict=True)]
    for number, overlay in enumerate(overlays):
        path = write(events[number], tmp_path / f"events-{number}")
        start(model, path, tmp_path, f"out-{number}", overlay=overlay)
    found = read(tmp_path / "out-1")
    assert found == replayed(model, events, overlays=overlays)
    assert found != replayed(model, events, overlays=[overlays[1], overlays[1]])
