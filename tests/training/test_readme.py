"""The model card that `recgrela-train export` writes to README.md beside the file."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import SMALL
from in_process import changed, go
from recgrela import EdgeScorer
from recgrela_train.export.readme import is_ours
from recgrela_train.fitting.checkpoints import last_checkpoint

USERS = [f"user-{name}" for name in ("anna", "ben", "clara", "dora", "emil", "fritz")]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run on six users with text ids, and a copy of it on all events."""
    folder = tmp_path_factory.mktemp("readme")
    rows = [
        f"{user},item-{(n + step) % 8},{1_700_000_000 + 86_400 * step}"
        for n, user in enumerate(USERS)
        for step in range(20)
    ]
    events = folder / "events.csv"
    events.write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    settings = [f"data.source={events}", *SMALL, "data.split=time", "train.max_epochs=1"]
    go("fit", "-o", folder / "measured", *changed(*settings))
    go("fit", "--like", folder / "measured", "-o", folder / "production")
    return folder


def page_of(folder: Path) -> tuple[dict, str]:
    """The front matter and the text."""
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_page_has_what_the_file_and_its_card_have(run, tmp_path):
    output = go("export", run / "measured", "-o", tmp_path, "--table", "int8")
    assert f"wrote {tmp_path / 'README.md'}, its model card" in output
    front, text = page_of(tmp_path)
    assert front["library_name"] == "recgrela"
    assert "recommender-system" in front["tags"]
    assert front["metrics"] == ["ndcg@10", "hr@10", "mrr@10"]
    scorer = EdgeScorer.load(tmp_path / "model.safetensors")
    assert f"| fingerprint | `{scorer.fingerprint}` |" in text
    assert "| items | 8, ids are text |" in text
    assert "| weights | int8 item table, f32 matrices |" in text
    assert "| events | 120 |" in text
    assert "| first event | 2023-11-14" in text
    assert re.search(r"\| test \| .* 0\.\d{4} \(0\.\d{4} to [01]\.\d{4}\) \|", text)
    assert re.search(r"changes validation NDCG@10 from 0\.\d{4} to 0\.\d{4}\.", text)
    assert "trained on all events" not in text


def test_the_page_names_no_user_no_item_and_no_path(run, tmp_path):
    go("export", run / "measured", "-o", tmp_path)
    text = (tmp_path / "README.md").read_text()
    for word in (*USERS, "user-", "item-", "events.csv", str(run), str(tmp_path)):
        assert word not in text


def test_its_three_lines_load_the_file(run, tmp_path, monkeypatch, capsys):
    go("export", run / "measured", "-o", tmp_path / 'the "best".safetensors')
    [code] = re.findall(r"```python\n(.*?)```", page_of(tmp_path)[1], re.DOTALL)
    assert len(code.splitlines()) == 3
    assert r'filename="the \"best\".safetensors"' in code
    monkeypatch.chdir(tmp_path)
    exec(code, {"history": ["item-1", "item-2"]})
    assert "item-" in capsys.readouterr().out


def test_the_page_of_a_run_on_all_events_says_whose_metrics_it_has(run, tmp_path):
    go("export", run / "production", "-o", tmp_path)
    _, text = page_of(tmp_path)
    assert "|  | trained on | measured on |" in text
    assert "It was trained on all events, so it was not measured itself." in text


def test_the_page_of_a_model_that_was_not_measured_has_no_metrics(run, tmp_path):
    go("export", last_checkpoint(run / "measured"), "-o", tmp_path)
    front, text = page_of(tmp_path)
    assert "metrics" not in front
    assert "Unknown: the checkpoint is not the best one of a measured run." in text


def test_equal_exports_have_equal_pages(run, tmp_path):
    pages = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        go("export", run / "measured", "-o", tmp_path / name)
        pages.append((tmp_path / name / "README.md").read_bytes())
    assert pages[0] == pages[1]


def test_a_page_that_is_not_ours_or_was_edited_stays(run, tmp_path):
    path = tmp_path / "README.md"
    go("export", run / "measured", "-o", tmp_path)
    ours = path.read_text()
    assert is_ours(path)
    for other in (
        "# My project\n",
        "",
        ours.replace("# Next", "# The next"),
        ours + "More.\n",
        "\n",
    ):
        path.write_text(other)
        assert not is_ours(path)
        output = go("export", run / "measured", "-o", tmp_path)
        assert f"kept {path}: export did not write it, or it was edited since" in output
        assert path.read_text() == other
    path.write_bytes(b"\xff")
    assert "kept" in go("export", run / "measured", "-o", tmp_path)
    path.write_text(ours)
    assert "wrote" in go("export", run / "measured", "-o", tmp_path, "--table", "f16")
    assert "f16 item table" in path.read_text()


def test_no_page_is_written_without_wish(run, tmp_path):
    output = go("export", run / "measured", "-o", tmp_path, "--no-readme")
    assert "README" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_new_run_removes_our_page(run, tmp_path):
    folder = shutil.copytree(run / "measured", tmp_path / "run")
    go("export", folder)
    go("fit", "--overwrite", "-o", folder, "--config", run / "measured" / "config.yaml")
    assert not (folder / "README.md").exists()
    (folder / "README.md").write_text("mine")
    go("fit", "--overwrite", "-o", folder, "--config", run / "measured" / "config.yaml")
    assert (folder / "README.md").read_text() == "mine"
