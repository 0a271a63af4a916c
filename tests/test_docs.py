"""The code blocks of README.md and docs/ run, and the page of commands has all of them."""

import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from recgrela import EdgeScorer
from recgrela.batch import partition_of
from recgrela_train.cli import app
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela
from typer.testing import CliRunner

from tests.doc_blocks import ROOT, SMALL, blocks_of, run_python, run_shell

ELSEWHERE = {
    "docs/benchmarks.md": "hours of measurement; tests/test_benchmarks.py runs small ones",
    "docs/experiments.md": "hours of training",
    "docs/scale.md": "needs Ray and Spark: make test-scale",
    "docs/service.md": "tests/server/test_server_docs.py",
    "docs/tutorials/service.md": "tests/server/test_server_docs.py",
}
"""Pages whose blocks are not run here, and why."""
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
RUN_HERE = [
    page
    for page in PAGES
    if page not in ELSEWHERE
    and any(block.reason is None for block in blocks_of((ROOT / page).read_text()))
]
ITEMS = [50, 96, 172, 181, 210, *range(1, 26)]
DAY = 86_400


def walks(start: str, days: int, items: list[int]) -> pl.DataFrame:
    """Sixty users, an event a day each, who walk through the items."""
    random = np.random.default_rng(1)
    first = int(np.datetime64(start, "s").astype(int))
    rows = [
        (user, items[(user * 7 + day + int(random.integers(2))) % len(items)], first + day * DAY)
        for user in range(60)
        for day in range(days)
    ]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def write_model(path: str, ids: list[int], seed: int = 0) -> None:
    config = ModelConfig(hidden_size=16, num_heads=2, num_layers=1)
    torch.manual_seed(seed)
    export_model(RecGrela(config, len(ids)).eval(), np.array(ids), Path(path))


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    walks("2026-09-01", 30, ITEMS).write_parquet(folder / "events.parquet")
    words = ["--set", f"data.source={folder / 'events.parquet'}", "--output", str(folder / "run")]
    result = CliRunner().invoke(app, ["fit", *words, *SMALL])
    assert result.exit_code == 0, result.exception
    return folder / "run"


@pytest.fixture(params=RUN_HERE)
def page(request) -> str:
    """A page with blocks that run."""
    return request.param


@pytest.fixture
def names(page, tmp_path, monkeypatch) -> dict:
    """What every page takes for granted, in the current folder; what its Python has defined."""
    monkeypatch.chdir(tmp_path)
    Path("training").symlink_to(ROOT / "training")
    events = walks("2026-09-01", 30, ITEMS)
    events.write_csv("events.csv")
    events.write_parquet("events.parquet")
    write_model("model.safetensors", ITEMS)
    more = globals().get(f"prepare_{Path(page).stem.replace('-', '_')}", lambda: {})
    return more()


def prepare_fleet() -> dict:
    shutil.copy("model.safetensors", "model-1.safetensors")
    write_model("model-2.safetensors", ITEMS[1:], seed=1)
    return {"users": ["ann", "cid"], "items": [96, 210]}


def prepare_production() -> dict:
    newer = pl.concat([walks("2026-09-01", 30, ITEMS), walks("2026-10-01", 30, [*ITEMS, 99])])
    newer.write_parquet("newer.parquet")
    pl.concat([newer, walks("2026-10-31", 20, [*ITEMS, 99])]).write_parquet("later.parquet")
    scorer = EdgeScorer.load("model.safetensors")
    scorer.append(50)
    scorer.catalog.add([99], np.ones((1, 16), np.float32))
    scorer.catalog.save("overlay.safetensors")
    return {"snapshot": scorer.snapshot()}


def prepare_cold_items() -> dict:
    shops, ids = ["north", "south", "west"], [*ITEMS, 901, 902]
    items = pl.DataFrame({"item_id": ids, "shop": [shops[i % 3] for i in range(len(ids))]})
    items.filter(pl.col("item_id") < 900).write_parquet("items.parquet")
    items.write_parquet("new-items.parquet")
    return {}


def prepare_python_training() -> dict:
    people = {0: "anna", 1: "ben"}
    events = walks("2026-09-01", 30, ITEMS).with_columns(
        pl.col("user_id").replace_strict(people, default=pl.col("user_id").cast(str))
    )
    events.write_parquet("events.parquet")
    return {"events": events}


def prepare_batch() -> dict:
    run_shell("recgrela-train synth before --users 60 --items 40 --events 1800 --days 14")
    known = pl.read_parquet("before/*.parquet")
    last = known.filter(pl.col("timestamp") == known["timestamp"].max()).head(1)
    shift = DAY if known["timestamp"].dtype.is_numeric() else pl.duration(days=1)
    last.with_columns(pl.col("timestamp") + shift).write_parquet("today.parquet")
    write_model("new.safetensors", known["item_id"].unique().to_list())
    users = pl.Series("user", range(2000))
    users = users.filter(pl.Series(partition_of(users.to_arrow(), 64) == 12))
    for day, name in enumerate(["monday", "tuesday"]):
        Path(name).mkdir()
        table = users.to_frame().with_columns(item=pl.lit(50), time=pl.lit(1_000 + day))
        table.write_parquet(f"{name}-12.parquet")
    return {}


def test_the_blocks_run(page, names, finished_run):
    for name in ("first", "base", "wide") if page == "docs/report.md" else ("measured",):
        if "--output runs/" + name not in (ROOT / page).read_text():
            shutil.copytree(finished_run, Path("runs") / name)
    for block in blocks_of((ROOT / page).read_text()):
        if block.reason:
            continue
        assert block.language in ("python", "sh"), f"{page}:{block.line}: give a reason"
        try:
            if block.language == "python":
                run_python(block.code, names)
            else:
                run_shell(block.code)
        except Exception as error:
            error.add_note(f"in the block of {page}:{block.line}")
            raise


@pytest.mark.parametrize("page", sorted(set(PAGES) - set(ELSEWHERE)))
def test_code_is_in_fenced_blocks(page):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"\n\n    \S", text)


def test_the_page_of_commands_has_all_commands():
    page = (ROOT / "docs/reference/commands.md").read_text()
    helped = re.findall(r"<!-- help recgrela-train (\w+) -->", page)
    # Typer names a command after its function.
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert sorted(helped) == sorted(names)
