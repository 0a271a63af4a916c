"""A prepared folder gives its original data set, memory-mapped, or a descriptive error."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, load_dataset, load_histories, write_prepared


@pytest.fixture(params=["integers", "strings"])
def config(request, tmp_path) -> DataConfig:
    file = tmp_path / "events.csv"
    prefix = "" if request.param == "integers" else "movie-"
    rows = [f"{prefix}{u},{prefix}{u * 3 % 7 + t},{t // 2}" for u in range(30) for t in range(9)]
    file.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    return DataConfig(source=str(file), min_events=2, split="leave_one_out")


def prepared(config: DataConfig, folder, **changes) -> DataConfig:
    write_prepared(config, folder)
    return config.model_copy(update={"source": str(folder), **changes})


def test_it_is_the_same_data_set(config, tmp_path):
    expected = load_dataset(config)
    got = load_dataset(prepared(config, tmp_path / "folder"))
    assert got.fingerprint == expected.fingerprint
    assert list(got.user_ids) == list(expected.user_ids)
    assert type(got.item_ids) is type(expected.item_ids)
    assert got.report == expected.report
    histories = load_histories(prepared(config, tmp_path / "folder"))
    assert isinstance(histories.items, np.memmap)
    assert isinstance(histories.times, np.memmap)


@pytest.mark.parametrize("split", ["time", "leave_one_out", "none"])
def test_one_folder_serves_every_split_and_filter(config, tmp_path, split):
    for min_events in (1, 3):
        changes = {"split": split, "min_events": min_events}
        expected = load_dataset(config.model_copy(update=changes))
        got = load_dataset(prepared(config, tmp_path / "folder", **changes))
        assert got.fingerprint == expected.fingerprint
        assert got.report == expected.report
        assert got.cuts == expected.cuts


def test_sequences_stay_without_times(tmp_path):
    file = tmp_path / "walks.txt"
    file.write_text("7 8 9 7\n8 7\n")
    config = DataConfig(source=str(file), min_events=1, split="none")
    got = load_dataset(prepared(config, tmp_path / "folder"))
    assert got.times is None
    assert got.fingerprint == load_dataset(config).fingerprint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ties": "file"}, r"data\.ties=random.*data\.ties=file"),
        ({"tie_seed": 8}, r"data\.tie_seed=42.*data\.tie_seed=8"),
    ],
)
def test_other_settings_than_its_own_are_refused(config, tmp_path, changes, says):
    with pytest.raises(DataError, match=says):
        load_dataset(prepared(config, tmp_path / "folder", **changes))


@pytest.mark.parametrize(
    "changes", [{"item_column": "title"}, {"format": "csv"}, {"missing": "drop"}]
)
def test_settings_without_effect_are_refused(config, tmp_path, changes):
    with pytest.raises(DataError, match="has no effect on a prepared folder: omit it"):
        load_dataset(prepared(config, tmp_path / "folder", **changes))


def test_a_source_that_changed_since_is_named(config, tmp_path):
    again, source = prepared(config, tmp_path / "folder"), Path(config.source)
    os.utime(source, (1, 1))
    load_dataset(again)  # touched, and the same
    source.write_text(source.read_text() + "1,1,9\n")
    with pytest.raises(DataError, match=r"events\.csv changed since: prepare it again"):
        load_dataset(again)
    source.unlink()
    load_dataset(again)  # moved to another machine


def test_the_tie_seed_matters_only_where_ties_are_random(config, tmp_path):
    by_item = config.model_copy(update={"ties": "item"})
    again = prepared(by_item, tmp_path / "folder", tie_seed=8)
    assert load_dataset(again).fingerprint == load_dataset(by_item).fingerprint


@pytest.mark.parametrize(
    "damage", ["cut items", "no offsets", "other version", "no json", "pickle"]
)
def test_a_damaged_folder_is_named(config, tmp_path, damage):
    folder = tmp_path / "folder"
    again = prepared(config, folder)
    items, about = folder / "items.npy", folder / "prepared.json"
    if damage == "cut items":
        items.write_bytes(items.read_bytes()[:-40])
    elif damage == "no offsets":
        (folder / "offsets.npy").unlink()
    elif damage == "other version":
        about.write_text(json.dumps({**json.loads(about.read_text()), "version": 9}))
    elif damage == "no json":
        about.write_text("{")
    else:
        np.save(items, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"folder.*prepare it again"):
        load_dataset(again)


def test_an_unfinished_folder_is_no_data_set(config, tmp_path):
    again = prepared(config, tmp_path / "folder")
    (tmp_path / "folder" / "prepared.json").unlink()
    with pytest.raises(DataError):
        load_dataset(again)


def test_the_command_writes_what_fit_reads(command, events_file, small_settings, tmp_path):
    folder = tmp_path / "folder"
    result = command("prepare", folder, *small_settings)
    assert result.returncode == 0, result.stderr
    used = [*small_settings, "--set", f"data.source={folder}", "--set", "train.max_epochs=1"]
    result = command("fit", "--output", tmp_path / "run", *used)
    assert result.returncode == 0, result.stderr
    result = command("prepare", events_file, *small_settings)
    assert result.returncode == 1
    assert "is a file" in result.stderr
