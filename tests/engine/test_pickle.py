"""Pickling: scorers as a path and a snapshot, results as ids and scores."""

import copy
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from recgrela import EdgeScorer, TopK


def again(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("kind", ["int", "str"])
def test_a_scorer_goes_on_as_if_it_had_never_been_pickled(export, kind):
    file = export(kind)
    scorer = file.load()
    scorer.keep_log(50)
    scorer.extend(file.history(9))
    for one in (scorer, scorer.clone(), scorer.new_session()):
        other = again(one)
        assert other.snapshot() == one.snapshot() and other.log == one.log
        other.append(file.ids[3])
        one.append(file.ids[3])
        assert list(other.top_k(5)) == list(one.top_k(5))


def test_groups_and_changes_of_the_catalogue_go_with_it(small):
    scorer = small.load(groups=np.arange(70) % 7)
    scorer.catalog.add([-1], np.ones((1, 16)))
    scorer.catalog.retire(small.ids[:3])
    scorer.extend([-1, *small.ids[5:9]])
    other = again(scorer)
    assert (other.catalog.added, other.catalog.retired) == ([-1], scorer.catalog.retired)
    assert list(other.top_k(9, max_per_group=1)) == list(scorer.top_k(9, max_per_group=1))


def work(scorer: EdgeScorer, item) -> tuple[EdgeScorer, TopK]:
    scorer.append(item)
    return scorer, scorer.top_k(4)


def test_a_process_pool_takes_and_returns_them(small, scorer):
    scorer.extend(small.history(4))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        returned, top = pool.submit(work, scorer, small.ids[9]).result(60)
    scorer.append(small.ids[9])
    assert returned.snapshot() == scorer.snapshot()
    assert list(top) == list(scorer.top_k(4))


def test_the_model_is_found_again_or_the_error_says_why_not(export, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    shutil.copy(export().path, path)
    monkeypatch.chdir(tmp_path)
    kept = pickle.dumps(EdgeScorer.load(path.name))
    monkeypatch.chdir("/")
    assert pickle.loads(kept).events == 0
    shutil.copy(export(seed=4).path, path)
    with pytest.raises(ValueError, match=rf"{path}: found model \w+, expected \w+, that of the"):
        pickle.loads(kept)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=str(path)):
        pickle.loads(kept)
    with pytest.raises(TypeError, match="model came as bytes: use"):
        pickle.dumps(EdgeScorer.from_bytes(export().path.read_bytes()))


@pytest.mark.parametrize("kind", ["int", "str"])
def test_a_result_is_its_ids_and_scores(export, kind):
    file = export(kind)
    scorer = file.load()
    scorer.extend(file.history(9))
    top = scorer.top_k(20)
    for other in (again(top), copy.deepcopy(top), TopK(top.ids, top.scores)):
        assert other.ids == top.ids
        assert other.scores.tobytes() == top.scores.tobytes()
        assert (list(other), repr(other)) == (list(top), repr(top))
    with pytest.raises(ValueError, match="scores: found 1, expected 2"):
        TopK(top.ids[:2], [1.0])
