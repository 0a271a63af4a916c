"""Errors in settings name the fault and suggest the closest valid name."""

import pytest
from recgrela_train.config import (
    Config,
    ConfigError,
    change_config,
    changed_settings,
    describe_settings,
    load_config,
)


def test_defaults_are_valid():
    assert load_config(None, []) == Config()


def test_file_then_settings(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("seed: 7\nmodel:\n  num_layers: 3\ntrain:\n  learning_rate: 0.01\n")
    config = load_config(path, ["train.learning_rate=0.002", "data.ties=item"])
    assert (config.seed, config.model.num_layers) == (7, 3)
    assert config.train.learning_rate == 0.002
    assert config.data.ties == "item"


def test_change_leaves_the_rest():
    changed = change_config(Config(seed=5), ["evaluate.exclude_seen=history"])
    assert changed.evaluate.exclude_seen == "history"
    assert changed.seed == 5


def test_changed_settings_are_named_with_both_values():
    now = change_config(Config(), ["seed=7", "data.ties=item"])
    assert changed_settings(Config(), now) == [("seed", 42, 7), ("data.ties", "random", "item")]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.learning_rat=1", "'train.learning_rat': did you mean 'train.learning_rate'?"),
        ("trian.window=5", "unknown setting 'trian': did you mean 'train'?"),
        ("num_layers=2", "unknown setting 'num_layers': did you mean 'model.num_layers'?"),
        ("model.zzz=2", "known settings: model.kind, model.hidden_size"),
        ("model.hidden_size=60", "model.hidden_size: Input should be a multiple of 8; found '60'"),
        ("train.precision=16-mixed", "Input should be '32-true' or 'bf16-mixed'"),
        ("model.num_heads=7", "num_heads must divide hidden_size: 7 and 64"),
        ("train.window=many", "train.window: Input should be a valid integer"),
        ("data.ties=sorted", "'random', 'file', 'item' or 'recbole'; found 'sorted'"),
        ("train.window", "--set takes key=value"),
        ("seed.x=1", "'seed' is not a section"),
        (f"seed={2**32}", "seed: Input should be less than or equal to 4294967295"),
        ("train=5", "train: "),
        ("train.window=[", "train.window: Input should be a valid integer"),
        ("train.max_epochs=0x10", "train.max_epochs: Input should be a valid integer"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(setting, expected):
    with pytest.raises(ConfigError) as error:
        change_config(Config(), [setting])
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("data.user_column", "user #1", "user #1"),
        ("data.user_column", "on", "on"),
        ("data.user_column", "1", "1"),
        ("data.user_column", "null", "null"),
        ("data.user_column", "a: b", "a: b"),
        ("data.source", "2024-01-01", "2024-01-01"),
        ("data.source", "[12].csv", "[12].csv"),
        ("train.max_epochs", "010", 10),
        ("train.learning_rate", "1e-3", 0.001),
        ("model.gate", "off", False),
    ],
)
def test_the_type_of_a_setting_decides_what_was_typed(tmp_path, key, typed, value):
    section, name = key.split(".")
    assert getattr(getattr(load_config(None, [f"{key}={typed}"]), section), name) == value
    path = tmp_path / "run.yaml"
    quoted = f"'{typed}'" if set(typed) & set("#:[") else typed  # otherwise it is YAML syntax
    path.write_text(f"{section}:\n  {name}: {quoted}\n")
    assert getattr(getattr(load_config(path, []), section), name) == value


@pytest.mark.parametrize("none", ["none", "None", "null", ""])
def test_a_limit_can_be_taken_away(tmp_path, none):
    limited = change_config(Config(), ["evaluate.max_users=50"])
    assert limited.evaluate.max_users == 50
    assert change_config(limited, [f"evaluate.max_users={none}"]) == Config()
    path = tmp_path / "run.yaml"
    path.write_text(f"evaluate:\n  max_users: {none}\n")
    assert load_config(path, []) == Config()
    with pytest.raises(ConfigError, match="max_users: Input should be greater than or equal to 1"):
        change_config(Config(), ["evaluate.max_users=0"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"model: [1, 2", "not valid YAML"),
        (b"- 1\n- 2\n", "expected sections such as 'model:', found list"),
        (b"model:\n  layers: 2\n", "unknown setting 'model.layers': did you mean"),
        (b"\xff\xfe\xfd", "not valid YAML"),
    ],
)
def test_wrong_files_are_named(tmp_path, content, expected):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load_config(path, [])


def test_an_empty_file_is_the_defaults(tmp_path):
    (tmp_path / "empty.yaml").touch()
    assert load_config(tmp_path / "empty.yaml", []) == Config()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot read the config"):
        load_config(tmp_path / "none.yaml", [])


def test_every_setting_is_described_and_can_be_set_to_its_default():
    for key, default, meaning in describe_settings():
        assert meaning.endswith("."), key
        assert change_config(Config(), [f"{key}={default}"]) == Config()
