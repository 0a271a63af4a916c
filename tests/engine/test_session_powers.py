"""Peek, undo, forget, the log, half-precision snapshots and migration in Python."""

import numpy as np
import pytest


def state(scorer):
    """Everything observable of a session, to compare two sessions."""
    return scorer.snapshot()


def test_peek_is_a_clone_that_went_on(small):
    scorer = small.load()
    history = small.history(30)
    scorer.extend(history[:25])
    before = state(scorer)
    ahead = scorer.clone()
    ahead.extend(history[25:])
    for options in ({}, {"exclude_seen": False}, {"deny": small.ids[:20]}):
        peeked = scorer.peek(history[25:], 8, **options)
        expected = ahead.top_k(8, **options)
        assert list(peeked) == list(expected)
    assert state(scorer) == before
    assert list(scorer.peek([], 5)) == list(scorer.top_k(5))


def test_peek_before_the_first_event(small):
    scorer = small.load()
    assert len(scorer.peek(small.ids[:1], 3)) == 3
    assert scorer.events == 0
    with pytest.raises(ValueError, match="no events"):
        scorer.peek([], 3)


def test_undo_is_exact_and_bounded(small):
    scorer = small.load()
    scorer.keep_undo(4)
    states = []
    for item in small.history(12):
        states.append(state(scorer))
        scorer.append(item)
    assert scorer.undoable == 4
    assert scorer.undo_bytes > 0
    scorer.undo()
    assert state(scorer) == states[-1]
    scorer.undo(3)
    assert state(scorer) == states[-4]
    with pytest.raises(ValueError, match="undo"):
        scorer.undo(1)
    assert state(scorer) == states[-4]


def test_undo_is_off_unless_asked_for(scorer, small):
    scorer.append(small.ids[0])
    assert (scorer.undoable, scorer.undo_bytes) == (0, 0)
    with pytest.raises(ValueError):
        scorer.undo()


def test_forget_leaves_a_session_that_never_saw_the_items(small):
    history = small.history(60)
    unwanted = set(history[3:6])
    scorer, never = small.load(), small.load()
    for session in (scorer, never):
        session.keep_log(1000)
    scorer.extend(history)
    assert scorer.log == history
    never.extend([item for item in history if item not in unwanted])
    scorer.forget(unwanted)
    assert state(scorer) == state(never)
    assert not unwanted & set(scorer.seen)
    scorer.restore(state(scorer))
    assert scorer.log == never.log


def test_forget_needs_the_whole_history(small):
    history = small.history(10)
    scorer = small.load()
    scorer.extend(history)
    before = state(scorer)
    with pytest.raises(ValueError, match="log"):
        scorer.forget(history[:1])
    short = small.load()
    short.keep_log(6)
    short.extend(history)
    assert short.log == history[-6:]
    with pytest.raises(ValueError, match="6"):
        short.forget(history[:1])
    assert state(scorer) == before
    with pytest.raises(KeyError):
        short.forget([10**15])


def test_why_names_the_events_that_an_item_rests_on(small):
    history = small.history(40)
    item = small.ids[7]
    scorer = small.load()
    scorer.keep_log(40)
    scorer.extend(history)
    before = state(scorer)
    [score] = scorer.score([item])
    drops = []
    for position in range(len(history)):
        without = small.load()
        without.extend(history[:position] + history[position + 1 :])
        drops.append(score - without.score([item])[0])
    reasons = scorer.why(item, 5)
    assert [position for position, _, _ in reasons] == list(np.argsort(drops)[::-1][:5])
    for position, found, drop in reasons:
        assert (found, drop) == (history[position], drops[position])
    assert scorer.why(item) == reasons[:3]
    assert len(scorer.why(item, 100)) == sum(drop > 0 for drop in drops)
    assert state(scorer) == before


def test_why_needs_the_whole_history(small):
    scorer = small.load()
    scorer.extend(small.history(10))
    with pytest.raises(ValueError, match="log"):
        scorer.why(small.ids[0])
    scorer.reset()
    scorer.keep_log(10)
    scorer.extend(small.history(3))
    with pytest.raises(KeyError):
        scorer.why(10**15)
    with pytest.raises(ValueError, match="0 or more, found -1"):
        scorer.why(small.ids[0], -1)


def test_half_precision_snapshots_are_half_as_large_and_nearly_the_same(export):
    model = export(hidden_size=64, num_heads=4)
    scorer = model.load()
    scorer.extend(model.history(200))
    exact, half = scorer.snapshot(), scorer.snapshot(precision="f16")
    assert len(half) < 0.6 * len(exact)
    other = scorer.new_session()
    other.restore(half)
    assert other.score(model.ids).tolist() == scorer.score(model.ids).tolist()
    for item in model.history(20, seed=8):
        scorer.append(item)
        other.append(item)
    expected = scorer.score(model.ids)
    assert np.abs(other.score(model.ids) - expected).max() < 2e-3 * np.abs(expected).max()
    with pytest.raises(ValueError, match="'f64', expected 'f32' or 'f16'"):
        scorer.snapshot(precision="f64")


def test_migrate_replays_the_log_on_the_new_model(export):
    old, new = export(items=70, seed=3), export(items=60, seed=4)
    history = old.history(40)
    scorer = old.load()
    scorer.extend(history)
    moved = new.load().migrate(scorer.snapshot(), history)
    known = [item for item in history if item in new.ids]
    assert 0 < len(known) < len(history)
    replayed = new.load()
    replayed.extend(known)
    assert state(moved) == state(replayed)


def test_migrate_refuses_another_history(export):
    model = export()
    scorer = model.load()
    scorer.extend(model.ids[:5])
    with pytest.raises(ValueError, match="4 events"):
        scorer.migrate(scorer.snapshot(), model.ids[:4])
    with pytest.raises(ValueError):
        scorer.migrate(scorer.snapshot()[:-1], model.ids[:5])
    with pytest.raises(TypeError):
        scorer.migrate(scorer.snapshot(), "abcde")
