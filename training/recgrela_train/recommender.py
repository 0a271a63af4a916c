"""The Python API: what the commands do, for code and notebooks."""

import dataclasses
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import polars as pl
from lightning import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.seed import isolate_rng
from rich.console import Console
from rich.markup import escape

from .config import Config, ConfigError, Settings, change_config, load_config
from .data import (
    IN_MEMORY,
    DataError,
    Dataset,
    DataWarning,
    Table,
    joined_ids,
    load_dataset,
    load_features,
    load_table,
)
from .device import find_device
from .distributed import is_main
from .evaluation.bootstrap import INTERVALS
from .evaluation.cold import ColdMetrics, extended
from .evaluation.counting import COUNTING, measure_counts
from .evaluation.measurement import Measurement
from .evaluation.recommend import Users, recommend
from .evaluation.results import Metrics
from .export.errors import ExportError
from .export.model_file import Exported, check_exportable, export_path, export_verified
from .export.overlay import Overlay, export_overlay
from .export.readme import write_readme
from .export.rounding_loss import RoundingLoss, rounding_loss
from .export.weight_types import WeightType
from .fitting.checkpoints import Checkpoint, checkpoint_file, load_checkpoint
from .fitting.cold_items import NewItems, measure_held_out, new_items
from .fitting.fit import Extras, check_folder, fit
from .fitting.launch import find_processes
from .fitting.measure import (
    check_held_out,
    measure_checkpoint,
    measurement_config,
    other_data,
)
from .fitting.production import (
    deployed_run,
    exported_card,
    production_card,
    production_config,
)
from .fitting.warm_start import load_start, start_config
from .networks.grela import RecGrela


class NotFittedError(ValueError):
    """A method needs a trained model; the message says how to get one."""


class Recommender:
    """A sequential recommender: fit it to events, measure it, and export it for the engine.

    `settings` are values by the names that `recgrela-train settings` lists, such as
    `{"model.hidden_size": 32, "train.max_epochs": 10}`. They override those of `config`, a YAML
    file or a `Config`, or else the defaults. `verbose` prints the size of the data and a line per
    epoch. Raises ConfigError for a setting that does not exist or has a wrong value.
    """

    def __init__(
        self,
        settings: Settings = (),
        *,
        config: Config | str | Path | None = None,
        verbose: bool = True,
    ):
        if isinstance(settings, str | Path):
            raise TypeError(f"settings are {settings!r}, expected a dict; name a file with config=")
        self.config = (
            change_config(config, settings)
            if isinstance(config, Config)
            else load_config(None if config is None else Path(config), settings)
        )
        self.run: Path | None = None
        """The folder of the run, once there is one."""
        self._console = Console(
            quiet=not (verbose and is_main()),
            force_jupyter=False,
            force_terminal=False if Console().is_jupyter else None,  # spinners would fill the cell
        )
        self._model: _Model | None = None
        self._twin: Path | None = None  # the measured run that this one repeats

    @classmethod
    def load(cls, path: str | Path, settings: Settings = (), *, verbose: bool = True) -> Self:
        """The best model of a run's folder, or that of a checkpoint.

        `settings` of `data.*`, `evaluate.*` and `train.accelerator` change how it is measured, such
        as `{"data.source": "moved.parquet"}`. Raises CheckpointError, and ConfigError for others.
        """
        checkpoint = load_checkpoint(checkpoint_file(Path(path)))
        loaded = cls(config=checkpoint.config, verbose=verbose)
        loaded.run = Path(path) if Path(path).is_dir() else None
        loaded._model = _Model(checkpoint, measurement_config(checkpoint, settings), None, None)
        return loaded

    @classmethod
    def like(cls, run: str | Path, settings: Settings = (), *, verbose: bool = True) -> Self:
        """A recommender whose `fit` repeats a measured run on all events, for production.

        It has the settings of the run and as many epochs as were best. The exported file has the
        metrics of the run. Raises RunError, as `production_config`.
        """
        repeated = cls(config=production_config(Path(run), settings), verbose=verbose)
        repeated._twin = Path(run)
        return repeated

    @classmethod
    def update(
        cls,
        run: str | Path,
        settings: Settings = (),
        *,
        freeze: bool = False,
        verbose: bool = True,
    ) -> Self:
        """A recommender whose `fit` starts from a trained run, with its settings and other data.

        Items of the run keep their embeddings; new ones start from those that they follow or
        precede. With `freeze` only new items are trained, and `export_overlay` writes them for the
        deployed file. Raises StartError for another architecture, and as `load`.
        """
        return cls(config=start_config(Path(run), settings, freeze=freeze), verbose=verbose)

    def fit(
        self,
        events: Table | None = None,
        *,
        run: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        callbacks: Sequence[Callback] = (),
        logger: Logger | Sequence[Logger] = (),
    ) -> Self:
        """Train until validation no longer improves; the model is then that of the best epoch.

        `events` is a polars, pandas or Arrow table with one event per row. Its columns of users,
        items and times are named by `data.user_column`, `data.item_column` and `data.time_column`;
        that of kinds, if any, by `data.kind_column`.
        Without a table, `data.source` is read. `run` is the folder for settings, checkpoints and
        TensorBoard curves; by default, a temporary one that is deleted with this object. `resume`
        continues the run in it, and `overwrite` deletes that first. `callbacks` and `logger` are
        passed to the Lightning trainer besides ours; `validation/ndcg@10` is logged per epoch.

        Raises DataError for events that cannot be used, ConfigError for settings, and as
        `fitting.fit.fit`.
        """
        config = self.config if events is None else _in_memory(self.config)
        folder = self._folder(config, run)
        if not overwrite:
            check_folder(folder, resume=resume)
        find_device(config.train.accelerator)
        start = load_start(config)
        dataset = read_training_data(config, self._console, events, start)
        card = production_card(self._twin, config, dataset) if self._twin else None
        loggers = [logger] if isinstance(logger, Logger) else logger
        with isolate_rng():  # the caller's generators keep their state
            best = fit(
                config,
                dataset,
                folder,
                resume=resume,
                overwrite=overwrite,
                card=card,
                start=start,
                console=self._console,
                extras=Extras(callbacks, loggers),
            )
            checkpoint = load_checkpoint(best)
        self.config, self.run = config, folder
        measured_by = measurement_config(checkpoint, ())
        self._model = _Model(checkpoint, measured_by, dataset, folder / "metrics.json")
        return self

    def evaluate(self, events: Table | None = None) -> Metrics:
        """HR, NDCG and MRR of both splits, ranked among all items.

        They are measured on the data of the fit, or on a table of newer events. Items that the
        model does not know count as misses. After a fit, the metrics of its data are also written
        to its run's folder, for reports and for the exported file. Raises DataError for events that
        cannot be used, and ConfigError if none are held out (`data.split=none`).
        """
        model = self._trained()
        check_held_out(model.config)
        config, dataset = self._data(events)
        device = find_device(config.train.accelerator)
        measurement = measure_checkpoint(model.checkpoint, config, dataset, device, self._console)
        metrics = self._metrics(measurement, config, dataset)
        if events is None and model.metrics and is_main():
            metrics.save(model.metrics)
        return metrics

    def baseline(
        self, kind: Literal["popularity", "markov"], events: Table | None = None
    ) -> Metrics:
        """The same metrics of a counting baseline, on the data of the fit or on a table.

        `popularity` recommends the most frequent items, `markov` those that most often came right
        after the last one. No fit is needed: without one, `data.source` is read.
        """
        if kind not in COUNTING:
            raise ConfigError(f"no baseline {kind!r}, expected one of {', '.join(COUNTING)}")
        if events is None and self._model:
            check_held_out(self._model.config)
            config, dataset = self._data(None)
        else:
            config = self.config if events is None else _in_memory(self.config)
            check_held_out(config)
            dataset = read_data(config, self._console, events)
        counts = COUNTING[kind](dataset)
        measurement = measure_counts(counts, dataset, config.evaluate, self._console)
        return self._metrics(measurement, config, dataset)

    def recommend(
        self, users: Users | None = None, k: int = 10, *, events: Table | None = None
    ) -> pl.DataFrame:
        """The best `k` items for the next event of each user, as the engine recommends them.

        `users` are ids of the data of the fit, or of a table of `events`; by default, all. A user's
        whole history is used, held-out events included, and its items are excluded. A user without
        events at known items gets the recommendations before the first event. Returns columns user,
        item, score (float32) and rank (from 1), users in the given order.

        Raises ValueError for ids of another type than the data's and, for a network without a start
        vector (all but `model.kind=grela`), for a user without events at known items.
        """
        model = self._trained()
        if events is None:
            dataset = self._data(None)[1]
        else:
            config = change_config(_in_memory(model.config), {"data.split": "none"})
            trained = model.checkpoint
            dataset = load_table(events, config.data, trained.item_ids, trained.kinds)
        network = model.checkpoint.model.to(find_device(model.config.train.accelerator))
        return recommend(network, dataset, users, k, model.config.evaluate)

    def export(
        self,
        path: str | Path,
        *,
        table: WeightType | Literal["f32", "f16", "int8"] = WeightType.F32,
        matrices: WeightType | Literal["f32", "f16", "int8"] = WeightType.F32,
        max_ndcg_drop: float | None = None,
        readme: bool = False,
    ) -> Exported:
        """Write the model to one file for the engine, and verify it there if it is installed.

        `table` is the type of the item table, `matrices` that of all other weights. If one is
        rounded, validation NDCG@10 is measured before and after; nothing is written if it falls by
        more than `max_ndcg_drop`. With `readme`, a model card is written to README.md beside the
        file, unless you have written or edited one. Raises ExportError, and OSError if it cannot
        be written.
        """
        trained, path = self._trained().checkpoint, Path(path)
        model = check_exportable(trained.model.cpu())
        if path.resolve() == trained.path.resolve():
            raise ExportError(f"{path} is the checkpoint itself: choose another file")
        types = WeightType(table), WeightType(matrices)
        loss = None
        if types != (WeightType.F32, WeightType.F32):
            loss = self._rounding_loss(model, *types, needed=max_ndcg_drop is not None)
        if loss is not None:
            line = f"{loss} with {table} table and {matrices} matrices ({-loss.value:+.5f})"
            self._console.print(line, highlight=False, soft_wrap=True)
            loss.check(max_ndcg_drop)
        with self._console.status("exporting"):
            done = export_verified(
                model, trained.item_ids, path, *types, exported_card(trained), trained.kinds
            )
        done = done._replace(loss=loss)
        if readme:
            written = write_readme(path, model, trained.item_ids, trained.kinds, done)
            done = done._replace(readme=written)
        return done

    def export_overlay(self, path: str | Path, *, deployed: str | Path | None = None) -> Overlay:
        """Write the items of an update with `freeze` to an overlay for the deployed model file.

        `deployed` is by default `model.safetensors` of the run that was updated. Raises ExportError
        if it has other weights, or if this model was not trained with `freeze`.
        """
        trained = self._trained().checkpoint
        if not trained.config.train.freeze:
            raise ExportError(
                f"{trained.path}: only a run of fit --freeze has an overlay: export the model"
            )
        file = export_path(deployed_run(trained.config), None) if deployed is None else deployed
        if Path(path).resolve() in (Path(file).resolve(), trained.path.resolve()):
            raise ExportError(f"{path} is the deployed file or the checkpoint: choose another file")
        model = check_exportable(trained.model.cpu())
        with self._console.status("exporting"):
            return export_overlay(model, trained.item_ids, Path(file), Path(path))

    def cold_overlay(
        self,
        items: str | Path,
        path: str | Path,
        *,
        deployed: str | Path | None = None,
        boost: float = 1.0,
    ) -> "ColdOverlay":
        """Write new items to an overlay for the deployed model file, by their features alone.

        `items` is a file as `data.items`; those of its items that the model does not know are
        written. `deployed` is by default `model.safetensors` of the run. Their vectors, and so
        their scores, are multiplied by `boost`. Raises ExportError, as `export_overlay`,
        CheckpointError if the model was trained without features, and DataError for the items.
        """
        trained = self._trained().checkpoint
        file = export_path(Path(self.run or ""), None) if deployed is None else Path(deployed)
        if Path(path).resolve() in (file.resolve(), trained.path.resolve(), Path(items).resolve()):
            raise ExportError(f"{path} is a file that is read: choose another one")
        model = check_exportable(trained.model.cpu())
        with self._console.status("computing vectors of new items"):
            cold = new_items(trained, items)
        with self._console.status("exporting"):
            ids = joined_ids(trained.item_ids, cold.ids)
            wider = extended(model, boost * cold.vectors)
            return ColdOverlay(export_overlay(wider, ids, file, Path(path)), cold)

    def measure_cold(self, events: Table | None = None, *, boost: float = 1.0) -> ColdMetrics:
        """NDCG@10 on items held out of training (`data.hold_out_items`), ranked among all items.

        Beside the vectors that these items have by their features, times `boost`: those of the
        nearest trained items by features, popularity and a random order. The data is that of the
        fit, or a table. Raises ConfigError if no items are held out.
        """
        model = self._trained()
        return measure_held_out(model.checkpoint, model.config, events, self._console, boost)

    def __repr__(self) -> str:
        """The network, and the number of items that it knows."""
        items = f"{self._model.checkpoint.model.num_items:,} items" if self._model else "not fitted"
        return f"<Recommender: {self.config.model.kind}, {items}>"

    def _rounding_loss(
        self, model: RecGrela, table: WeightType, matrices: WeightType, *, needed: bool
    ) -> RoundingLoss | None:
        """The loss by rounding; None, with a warning, if the data of the fit cannot be read."""
        try:
            check_held_out(self._trained().config)
            config, dataset = self._data(None)
        except (ConfigError, DataError, OSError) as error:
            why = str(error)
            if not isinstance(error, ConfigError):
                why += "\nname the data of the run with --set data.source=FILE"
            if needed:
                raise ExportError(f"--max-ndcg-drop needs a measurement: {why}") from None
            warn(f"the loss by rounding was not measured: {why}")
            return None
        with self._console.status("measuring the loss by rounding"):
            return rounding_loss(model, dataset, config.evaluate, table, matrices)

    def _metrics(self, measurement: Measurement, config: Config, dataset: Dataset) -> Metrics:
        with self._console.status(INTERVALS):
            return Metrics(measurement, config, dataset)

    def _trained(self) -> "_Model":
        if self._model is None:
            raise NotFittedError("there is no model yet: call fit(), or use Recommender.load(run)")
        return self._model

    def _data(self, events: Table | None) -> tuple[Config, Dataset]:
        """The data to measure on, by the model's vocabulary, and the config that it was read by."""
        model = self._trained()
        if events is None and model.dataset is not None:
            return model.config, model.dataset
        config = model.config if events is None else _in_memory(model.config)
        dataset = read_data(config, self._console, events, model.checkpoint)
        warn(other_data(model.checkpoint, config, dataset))
        if events is None:
            self._model = model._replace(dataset=dataset)
        return config, dataset

    def _folder(self, config: Config, run: str | Path | None) -> Path:
        """The folder of a run; by default a temporary one, deleted with this object.

        Raises ConfigError for the run that this one repeats or starts from.
        """
        if run is None:
            processes = find_processes(config.train.devices).total
            if processes > 1:
                raise ConfigError(f"{processes} processes train in one folder: name it with run=")
            folder = Path(tempfile.mkdtemp(prefix="recgrela-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            return folder
        for needed in (self._twin, config.train.start_from):
            if needed and Path(needed).resolve() == Path(run).resolve():
                raise ConfigError(
                    f"{run} is the run to repeat or to start from, so it cannot be overwritten: "
                    "choose another folder"
                )
        return Path(run)


class ColdOverlay(NamedTuple):
    """The result of `Recommender.cold_overlay`."""

    overlay: Overlay
    items: NewItems


class _Model(NamedTuple):
    """A trained model and the data to measure it on."""

    checkpoint: Checkpoint
    config: Config  # see measurement_config
    dataset: Dataset | None  # None: not read yet
    metrics: Path | None  # the file for its metrics on that data; None: they are not written


def read_data(
    config: Config,
    console: Console,
    events: Table | None = None,
    trained: Checkpoint | None = None,
    *,
    extend: bool = False,
) -> Dataset:
    """Reads `events` or the source of a config, and prints its size.

    Items and kinds are numbered as in a trained model, if there is one; see `split`.
    """
    known = (None, None) if trained is None else (trained.item_ids, trained.kinds)
    source = escape(config.data.source)
    with console.status(f"reading {source}"):
        if events is None:
            dataset = load_dataset(config.data, *known, extend=extend)
        else:
            dataset = load_table(events, config.data, *known, extend=extend)
    size, *parts = dataset.describe()
    for line in (f"{source}: {escape(size)}", *map(escape, parts)):
        console.print(line, highlight=False)
    return dataset


def read_training_data(
    config: Config, console: Console, events: Table | None = None, start: Checkpoint | None = None
) -> Dataset:
    """As `read_data`, with the features of items, if the config names their file.

    With `start`, the run to start from, its items are the first, and its columns are read.
    """
    dataset = read_data(config, console, events, start, extend=start is not None)
    if config.data.items is None:
        return dataset
    with console.status(f"reading {escape(config.data.items)}"):
        columns = start and start.features and start.features.columns
        features = load_features(config.data, dataset.item_ids, columns)
    console.print(f"{escape(config.data.items)}: {escape(str(features))}", highlight=False)
    return dataclasses.replace(dataset, item_features=features)


def warn(text: str | None) -> None:
    """Issues a DataWarning, if there is a text."""
    if text:
        warnings.warn(text, DataWarning, stacklevel=3)


def _in_memory(config: Config) -> Config:
    """The config of a run whose events are a table."""
    return change_config(config, {"data.source": IN_MEMORY, "data.format": "auto"})
