"""Every setting of a run with its default, changed by a YAML file and by settings.

The whole `Config` is saved with each checkpoint and each metrics file, so a run can be repeated.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails


class ConfigError(ValueError):
    """A setting that does not exist or has a wrong value; the message names it."""


def _none(value: object) -> object:
    """None for its spellings on the command line and in YAML."""
    spelled = isinstance(value, str) and value.strip().lower() in ("", "none", "null")
    return None if spelled else value


def _names(value: object) -> object:
    """The names of `a,b` or `[a, b]`, as on the command line."""
    if _none(value) is None or not isinstance(value, str):
        return _none(value)
    return [name.strip() for name in value.strip().removeprefix("[").removesuffix("]").split(",")]


Limit = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_none)]
"""A positive number, or `none`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataConfig(_Section):
    """Which events to train on, and their order."""

    source: str = "ml-100k"
    """A file of events; a folder of such files, also in folders such as `day=2026-11-30`; a glob
    with `*` or `?`; a folder written by `recgrela-train prepare`; or `ml-100k`, a data set known by
    name."""
    format: Literal[
        "auto",
        "inter",
        "ml-dat",
        "ml-csv",
        "u.data",
        "csv",
        "parquet",
        "sequences",
        "user-sequences",
    ] = "auto"
    """Format of the files: auto (by name), inter, ml-dat, ml-csv, u.data, csv, parquet,
    sequences, or user-sequences (each line starts with the user's id)."""
    user_column: str = "user_id"
    """Column of user ids, for inter, csv and parquet."""
    item_column: str = "item_id"
    """Column of item ids, for inter, csv and parquet."""
    time_column: str = "timestamp"
    """Column of event times (numbers or ISO dates), for inter, csv and parquet."""
    kind_column: Annotated[str | None, BeforeValidator(_none)] = None
    """Column of the kinds of events, such as view, cart and buy, for inter, csv and parquet. The
    model then knows the kind of every event. none: all events are of one kind."""
    items: Annotated[str | None, BeforeValidator(_none)] = None
    """A Parquet or CSV file with one row per item: its id and its features. Features are part of an
    item's vector, so items without events have one too: see docs/guides/cold-items.md. ml-100k:
    the years and genres of that data set. none: items have no features."""
    item_features: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = None
    """Columns of `data.items` that are features, such as `[brand, price]`; none: all."""
    item_separator: str = Field("|", min_length=1)
    """What separates several values in a cell of a CSV file of `data.items`. In Parquet, use
    lists."""
    missing: Literal["refuse", "drop", "keep"] = "refuse"
    """What to do with missing users, items, times and kinds (blank, `NULL`, `\\N`, `None`, `nan`,
    `NA`): refuse the file, drop the events, or keep all but blanks as ids."""
    split: Literal["time", "leave_one_out", "none"] = "time"
    """Held-out events: time (those after two cuts), leave_one_out (each user's last two, for
    comparison with published results) or none (train on all events). Sequences have no times and
    need one of the last two. See docs/guides/splits.md."""
    validation_from: str = "80%"
    """Start of the validation events, for split=time: a share of all events such as 80%, or a
    date."""
    test_from: str = "90%"
    """Start of the test events, for split=time: a share of all events, or a date."""
    targets: Annotated[tuple[str, ...] | None, BeforeValidator(_names)] = None
    """Kinds of the events to predict, such as `[buy, cart]`, in training and evaluation; none: all.
    Events of other kinds are history only. Needs data.kind_column."""
    min_events: int = Field(5, ge=1)
    """Items with fewer training events are dropped. For split=leave_one_out it is the k of the
    k-core filter: users and items with fewer than k events are dropped, repeatedly."""
    hold_out_items: Annotated[str | None, BeforeValidator(_none)] = None
    """Share of the items, such as 10%, that is held out of training with all of its events, to
    measure new items with `recgrela-train cold`. The choice depends on ids alone. `evaluate`
    counts these items as misses, because they are unknown. none: train on all."""
    repeats: Literal["keep", "drop_consecutive"] = "keep"
    """Events at the same item as the user's previous event: keep, or drop_consecutive (page
    reloads, and rows that are in the source twice). Later repeats are always kept."""
    ties: Literal["random", "file", "item", "recbole"] = "random"
    """Order of ties in time: random, file, item or recbole. It can decide a benchmark: see
    docs/guides/splits.md."""
    tie_seed: int = Field(42, ge=0, le=2**32 - 1)
    """Seed of `ties=random`. It is separate from `seed`, so runs of several seeds share a split."""

    @property
    def columns(self) -> dict[str, str]:
        """The names of the columns of events, by role: user, item, time and, if set, kind."""
        named = {"user": self.user_column, "item": self.item_column, "time": self.time_column}
        return named if self.kind_column is None else {**named, "kind": self.kind_column}

    @property
    def held_out(self) -> bool:
        """Whether any events are held out, so that a model can be measured."""
        return self.split != "none"

    @property
    def held_out_share(self) -> float:
        """The share of `hold_out_items`, 0 for none."""
        return float((self.hold_out_items or "0%").removesuffix("%")) / 100

    @model_validator(mode="after")
    def _holds_out_a_share(self) -> Self:
        if self.hold_out_items is None:
            return self
        if not re.fullmatch(r"\d{1,2}(\.\d+)?%", self.hold_out_items) or not self.held_out_share:
            raise ValueError(
                f"hold_out_items={self.hold_out_items}: expected a share of the items between 0% "
                "and 100%, such as 10%, or none"
            )
        if not self.held_out:
            raise ValueError(
                "hold_out_items holds out items to measure on, but split=none holds out no events: "
                "set split=time, or hold_out_items=none"
            )
        return self

    @model_validator(mode="after")
    def _columns_of_items(self) -> Self:
        if self.item_features is not None and self.items is None:
            raise ValueError(
                "item_features names columns of items, but no file is named: set items to it"
            )
        return self

    @model_validator(mode="after")
    def _targets_need_kinds(self) -> Self:
        if self.targets and self.kind_column is None:
            raise ValueError(
                f"targets={', '.join(self.targets)} are kinds of events, but kind_column is none: "
                "set data.kind_column"
            )
        return self

    @model_validator(mode="after")
    def _cuts_need_true_times(self) -> Self:
        if self.ties == "recbole" and self.split == "time":
            raise ValueError(
                "ties=recbole orders events by rounded times, which a cut cannot divide: set "
                "split=leave_one_out, or another order of ties"
            )
        return self


class ModelConfig(_Section):
    """The architecture, with a switch for each of the paper's ablations."""

    kind: Literal["grela", "bidirectional", "sasrec", "gru4rec", "lrurec"] = "grela"
    """The network: grela (causal), bidirectional (the paper's form), or a baseline: sasrec,
    gru4rec or lrurec. Only grela can be exported."""
    hidden_size: int = Field(64, ge=8, le=4096, multiple_of=8)
    """D, the size of item embeddings and hidden vectors."""
    num_heads: int = Field(4, ge=1)
    """Attention heads; one per feature (num_heads = hidden_size) is Hydra attention."""
    num_layers: int = Field(2, ge=1, le=64)
    """L, the number of blocks."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout probability, after the embedding and in the feed-forward networks."""
    drop_path: float = Field(0.1, ge=0, lt=1)
    """Stochastic depth probability: how often a row skips the attention of a block."""
    gate: bool = True
    """SiLU gate on the output of the attention."""
    local_conv: bool = True
    """Causal convolution over the last four values."""
    positions: Literal["rotary", "learned", "none"] = "rotary"
    """Position encoding: rotary (as in the paper), learned or none."""
    max_positions: int = Field(200, ge=1)
    """Rows of the learned position table. Later positions use its last row; sasrec has no later
    positions."""
    decay: Literal["learned", "none"] = "learned"
    """Decay of the running sums: one learned factor per head, or none, as in the paper."""
    final_norm: bool = True
    """LayerNorm after the last block."""
    gaps: bool = False
    """Add a learned vector for the time since the user's previous event (32 classes of whole
    seconds). Only for grela; the data needs dates, and the engine the time of every event."""
    feature_only: float = Field(0.25, ge=0, lt=1)
    """How often training drops an item's own embedding, so that its features (`data.items`) alone
    suffice: a share of the occurrences of items with features, as inputs and in the softmax."""

    @property
    def inner_size(self) -> int:
        """Width of the feed-forward network, 4 D as in the paper."""
        return 4 * self.hidden_size

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"num_heads must divide hidden_size: {self.num_heads} and {self.hidden_size}"
            )
        return self

    @model_validator(mode="after")
    def _gaps_of_grela(self) -> Self:
        if self.gaps and self.kind != "grela":
            raise ValueError(
                f"gaps is true, but model.kind={self.kind} does not use the time between events: "
                "set model.gaps=false, or model.kind=grela"
            )
        return self

    @model_validator(mode="after")
    def _no_decay_both_ways(self) -> Self:
        if self.kind == "bidirectional" and self.decay != "none":
            raise ValueError(
                f"decay is {self.decay}, but the bidirectional form has none: set model.decay=none"
            )
        return self


class TrainConfig(_Section):
    """How to train."""

    window: int = Field(200, ge=2)
    """Events per training window; longer histories are cut into several windows."""
    carry_state: bool = True
    """Carry the state from one window of a history to the next, as in deployment; otherwise each
    window starts empty. No effect on sasrec (no state) and bidirectional (trains on prefixes)."""
    batch_size: int = Field(32, ge=1)
    """Windows per step; prefixes for bidirectional."""
    loss: Literal["auto", "full", "sampled"] = "auto"
    """Softmax over all items (full) or over the target and a sample of the others (sampled), whose
    cost does not depend on the number of items. auto: full up to 20,000 items, sampled above."""
    negatives: int = Field(8192, ge=3)
    """Items in the sample of `loss=sampled`, drawn in each step for all of its positions. If a step
    has more positions than that, the sample's noise slows training."""
    exclude_seen: Literal["auto", "none", "window", "history"] = "auto"
    """Seen items that the softmax excludes: those of the whole history, those of the last
    evaluate.window events (window), or none. auto: those that evaluate.exclude_seen excludes."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of Adam after the warm-up."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate after the warm-up: constant, or cosine decay to 0 at max_epochs."""
    warmup_steps: int = Field(0, ge=0)
    """Steps of linear warm-up."""
    gradient_clip: float = Field(1.0, ge=0)
    """Maximum gradient norm; 0 disables clipping."""
    max_epochs: int = Field(100, ge=1)
    """Maximum number of epochs."""
    stop_after: Limit = None
    """Stop after this many epochs; a schedule still has the length of max_epochs. none: do not
    stop. `fit --like` sets it to the best epoch of the run that it repeats."""
    patience: int = Field(10, ge=1)
    """Stop after this many epochs without a better validation NDCG@10."""
    start_from: Annotated[str | None, BeforeValidator(_none)] = None
    """Run to start from: its items keep their embeddings, and new ones start from their neighbours.
    `fit --from` sets it."""
    freeze: bool = False
    """Train the embeddings of new items only, at ten times learning_rate, for an overlay on the
    deployed model; needs start_from. `fit --freeze` sets it."""
    accelerator: str = "auto"
    """auto (a CUDA GPU if there is one, else the CPU), cpu, gpu or mps."""
    devices: int = Field(1, ge=1)
    """Processes on this machine, one per device; they share each batch. Ignored under torchrun,
    which sets it."""
    shard_items: bool = False
    """Shard the item table and its optimiser state across processes, for tables of gigabytes."""
    checkpoint_steps: int = Field(1000, ge=1)
    """Steps after which last.ckpt is written; it is also written after each epoch."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Precision of matrix products: 32-true or bf16-mixed. The attention stays in float32."""

    @model_validator(mode="after")
    def _freezes_a_start(self) -> Self:
        if self.freeze and self.start_from is None:
            raise ValueError(
                "freeze=True trains the embeddings of new items on top of a trained run, but none "
                "is named: add --from RUN"
            )
        return self


class EvaluateConfig(_Section):
    """How to measure: ranking among all items; ties in score count against the model."""

    window: int = Field(200, ge=1)
    """Events seen by the `window` read-out, and of exclude_seen=window, also in training; the
    `stream` read-out sees the whole history."""
    exclude_seen: Literal["none", "window", "history"] = "history"
    """Seen items to exclude from the ranking: those of the whole history, as the engine does,
    those of the last `evaluate.window` events, or none. A target that is excluded is a miss."""
    batch_size: int = Field(128, ge=1)
    """Users read, and targets ranked, at a time; affects memory only."""
    max_users: Limit = None
    """Measure a random sample of this many users, the same for every run; none: all users."""

    @property
    def seen_events(self) -> int | None:
        """How many events before a target exclude their items, by `exclude_seen`; None: all."""
        return {"none": 0, "window": self.window, "history": None}[self.exclude_seen]


class Config(_Section):
    """All settings of a run."""

    seed: int = Field(42, ge=0, le=2**32 - 1)
    """Seed of the initial weights, the batches and dropout."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @property
    def seen_events(self) -> int | None:
        """How many events before a target training excludes, by `train.exclude_seen`; None: all."""
        choice, evaluate = self.train.exclude_seen, self.evaluate
        if choice != "auto":
            evaluate = evaluate.model_copy(update={"exclude_seen": choice})
        return evaluate.seen_events

    @model_validator(mode="after")
    def _positions_for_windows(self) -> Self:
        window = max(self.train.window, self.evaluate.window)
        if self.model.kind == "sasrec" and window > self.model.max_positions:
            raise ValueError(
                f"sasrec sees model.max_positions={self.model.max_positions} events at most, but "
                f"windows have up to {window}: raise model.max_positions, or lower train.window "
                "and evaluate.window"
            )
        return self


Settings = Mapping[str, object] | Sequence[str]
"""Values by the names of settings, such as {"train.max_epochs": 20}, or `key=value` texts."""


def load_config(path: Path | None, settings: Settings) -> Config:
    """The config of a YAML file (or the defaults), changed by settings.

    Raises ConfigError naming the file and the key and, for an unknown key, a similar known one.
    """
    return _with_settings({} if path is None else _read_yaml(path), settings)


def change_config(config: Config, settings: Settings) -> Config:
    """The config, changed by settings."""
    return _with_settings(config.model_dump(), settings)


def change_measurement(config: Config, settings: Settings) -> Config:
    """As `change_config`, for settings of the evaluation; ConfigError for those of training."""
    changed = change_config(config, settings)
    for key, old, new in changed_settings(config, changed):
        if not key.startswith(("data.", "evaluate.", "train.accelerator")):
            raise ConfigError(
                f"{key} was {old!r} when the model was trained and cannot become {new!r} "
                "afterwards: data.*, evaluate.* and train.accelerator may be set here"
            )
    return changed


def describe_settings() -> list[tuple[str, object, str]]:
    """Every setting: key, default and description."""
    rows = []
    for name, field in Config.model_fields.items():
        if isinstance(field.default, _Section):
            fields = type(field.default).model_fields
            rows += [(f"{name}.{key}", f.default, f.description or "") for key, f in fields.items()]
        else:
            rows.append((name, field.default, field.description or ""))
    return rows


def changed_settings(before: Config, now: Config) -> list[tuple[str, object, object]]:
    """The settings in which two configs differ: key, value before, value now."""
    rows = []
    for key, _, _ in describe_settings():
        values = [attrgetter(key)(config) for config in (before, now)]
        if values[0] != values[1]:
            rows.append((key, *values))
    return rows


def parse_saved(values: dict[str, Any]) -> Config:
    """The Config of a run, with what versions without a setting did. Raises ConfigError."""
    train = {"exclude_seen": "none", **values.get("train", {})}
    return parse_config({**values, "train": train})


def parse_config(values: dict[str, Any]) -> Config:
    """The Config of nested plain values. Raises ConfigError."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(e) for e in error.errors())) from None


def _with_settings(values: dict[str, Any], settings: Settings) -> Config:
    for key, value in _pairs(settings):
        *sections, name = key.strip().split(".")
        inner = values
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key}={value}: '{section}' is not a section")
        if isinstance(value, Mapping):
            raise ConfigError(
                f"{key}: found several settings, expected one: name each, such as "
                f"'{key}.{next(iter(value), '...')}'"
            )
        inner[name] = value  # parsed according to the setting's type
    return parse_config(values)


def _pairs(settings: Settings) -> Iterator[tuple[str, object]]:
    if isinstance(settings, Mapping):
        yield from settings.items()
        return
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"--set takes key=value, such as train.max_epochs=20; found '{setting}'"
            )
        yield key, text


def _read_yaml(path: Path) -> dict[str, Any]:
    try:  # BaseLoader keeps scalars as text: YAML 1.1 reads 010 as 8, and `on` as true
        values = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected sections such as 'model:', found {type(values).__name__}"
        )
    return values


def _explain(error: ErrorDetails) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{key or 'config'}: {error['msg']}; found {error['input']!r}"
    wrong = str(error["loc"][-1])
    known = _known_keys()
    here = [k for k in known if k.rpartition(".")[0] == ".".join(map(str, error["loc"][:-1]))]
    near = difflib.get_close_matches(wrong, [k.rpartition(".")[2] for k in here], n=1)
    near = [k for k in here if near and k.rpartition(".")[2] == near[0]]
    near = near or [k for k in known if k.rpartition(".")[2] == wrong]  # right name, wrong section
    hint = f"did you mean '{near[0]}'?" if near else f"known settings: {', '.join(here)}"
    return f"unknown setting '{key}': {hint}"


def _known_keys() -> list[str]:
    return [*Config.model_fields, *(key for key, _, _ in describe_settings() if "." in key)]
