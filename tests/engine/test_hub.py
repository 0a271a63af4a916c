"""`EdgeScorer.from_pretrained`, offline, on a cache of the Hub as huggingface_hub lays it out."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub.file_download import repo_folder_name
from recgrela import EdgeScorer

REPO = "shop/next-item"
OLD, NEW = "a" * 40, "b" * 40  # commits


@pytest.fixture(scope="module")
def cache(export, tmp_path_factory) -> Path:
    """A model of integer ids at the commit OLD, and one of text ids at NEW, the head of main."""
    folder = tmp_path_factory.mktemp("hub")
    repo = folder / repo_folder_name(repo_id=REPO, repo_type="model")
    for name in ("blobs", "refs"):
        (repo / name).mkdir(parents=True)
    (repo / "refs" / "main").write_text(NEW)
    for commit, file in ((OLD, export("int")), (NEW, export("str"))):
        blob = repo / "blobs" / file.load().fingerprint
        blob.write_bytes(file.path.read_bytes())
        snapshot = repo / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for name in ("model.safetensors", "small.safetensors"):
            (snapshot / name).symlink_to(Path("..", "..", "blobs", blob.name))
    return folder


@pytest.fixture
def load(cache):
    return lambda repo=REPO, **options: EdgeScorer.from_pretrained(
        repo, cache_dir=cache, local_files_only=True, **options
    )


def test_a_revision_chooses_the_file(load, export):
    for options, kind in (
        ({}, "str"),
        ({"revision": "main"}, "str"),
        ({"revision": OLD}, "int"),
        ({"revision": OLD, "filename": "small.safetensors"}, "int"),
    ):
        scorer = load(**options)
        assert scorer.fingerprint == export(kind).load().fingerprint
        scorer.append(scorer.item_ids[3])
        assert len(scorer.top_k(5)) == 5


def test_the_options_of_load_are_passed_on(load):
    scorer = load(isa="scalar", verify=False, groups=np.arange(70) % 7, mmap=True)
    assert scorer.isa == "scalar"
    scorer.append(scorer.item_ids[0])
    assert len(scorer.top_k(70, max_per_group=1)) == 7
    with pytest.raises(ValueError, match="isa: found 'sse9'"):
        load(isa="sse9")


def test_verify_is_on_by_default(cache, load):
    snapshot = cache / repo_folder_name(repo_id=REPO, repo_type="model") / "snapshots" / OLD
    path = (snapshot / "model.safetensors").resolve()
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ValueError, match="fingerprint of the tensors"):
            load(revision=OLD)
        assert load(revision=OLD, verify=False).id_type == "int"
    finally:
        path.write_bytes(content)


def test_a_scorer_of_the_hub_is_pickled_by_its_file_in_the_cache(load):
    scorer = load()
    scorer.append("movie-3")
    assert pickle.loads(pickle.dumps(scorer)).snapshot() == scorer.snapshot()


def test_what_is_not_in_the_cache_is_a_missing_file(load):
    for options in ({"revision": "c" * 40}, {"filename": "other.safetensors"}, {"repo": "no/one"}):
        with pytest.raises(FileNotFoundError):
            load(**options)


def test_the_environment_makes_it_offline(cache):
    code = (
        "import recgrela, sys; assert 'huggingface_hub' not in sys.modules\n"
        f"print(recgrela.EdgeScorer.from_pretrained({REPO!r}).id_type)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)},
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "str\n"), result.stderr


def test_without_huggingface_hub_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # makes the import fail
    with pytest.raises(ImportError, match=r"pip install 'recgrela\[hub\]'$"):
        EdgeScorer.from_pretrained(REPO)
