//! Migration: an old model's snapshot continues on a retrained model.

mod common;

use std::sync::Arc;

use common::{Rng, Shape, assert_says, bits, catalogue, forged, model};
use recgrela::{Error, ErrorKind, Model, Precision, Session, Snapshot};

const OLD: Shape = Shape::TINY;
/// Other sizes, other items.
const NEW: Shape = Shape { hidden: 24, heads: 3, layers: 2, items: 50, ..Shape::BASE };

/// The new model's index of an old item; every fifth is unknown.
fn translated(item: u32) -> Option<u32> {
    (!item.is_multiple_of(5)).then_some(49 - item)
}

fn old_session(log_capacity: usize) -> (Session, Vec<u32>) {
    let events = Rng::new(1).items(40, OLD.items);
    let mut session = Session::new(model(&OLD));
    session.set_log_capacity(log_capacity);
    session.extend(&events).unwrap();
    (session, events)
}

#[test]
fn a_migrated_session_is_a_replay_in_the_new_model() {
    let new = model(&NEW);
    for (capacity, precision) in [(0, Precision::F32), (7, Precision::F16), (60, Precision::F32)] {
        let (old, events) = old_session(capacity);
        let snapshot = old.snapshot_with(precision);
        let log: Vec<_> = events.iter().copied().map(translated).collect();
        let found = Session::migrate(new.clone(), &snapshot, &log).unwrap();
        let mut expected = Session::new(new.clone());
        expected.set_log_capacity(capacity);
        expected.extend(&log.iter().copied().flatten().collect::<Vec<_>>()).unwrap();
        assert!(expected.events() < 40);
        assert_eq!(found.snapshot(), expected.snapshot());
        let all = catalogue(&new);
        assert_eq!(bits(&found.score(&all).unwrap()), bits(&expected.score(&all).unwrap()));
    }
}

#[test]
fn the_log_may_come_out_of_the_snapshot() {
    let (old, events) = old_session(usize::MAX);
    let snapshot = old.snapshot();
    let parsed = Snapshot::from_bytes(&snapshot).unwrap();
    assert_eq!(parsed.fingerprint(), old.model().fingerprint());
    assert!(parsed.log().eq(events));
    let log: Vec<_> = parsed.log().map(translated).collect();
    let session = Session::migrate(model(&NEW), &snapshot, &log).unwrap();
    assert_eq!(session.log().len() as u64, session.events());
}

#[test]
fn nothing_known_is_an_empty_session() {
    let (old, _) = old_session(0);
    let new = model(&NEW);
    let session = Session::migrate(new.clone(), &old.snapshot(), &[None::<u32>; 40]).unwrap();
    assert_eq!(session.snapshot(), Session::new(new.clone()).snapshot());
    let empty = Session::new(old.model().clone()).snapshot();
    assert_eq!(Session::migrate(new, &empty, &[None::<u32>; 0]).unwrap().events(), 0);
}

fn refused(new: &Arc<Model>, snapshot: &[u8], log: &[Option<u32>]) -> Error {
    Session::migrate(new.clone(), snapshot, log).unwrap_err()
}

#[test]
fn a_log_of_another_history_is_refused() {
    let new = model(&NEW);
    let (old, events) = old_session(10);
    let snapshot = old.snapshot();
    let log: Vec<_> = events.iter().copied().map(translated).collect();

    let error = refused(&new, &snapshot, &log[1..]).to_string();
    assert!(error.contains("found 39 events, expected 40"), "{error}");
    let error = refused(&new, &forged(&snapshot, 24, &[0xff; 8]), &log).to_string();
    assert!(error.contains("18446744073709551615"), "{error}");

    // A log that contradicts the end of the snapshot's own log.
    let pattern = [3, 4, 3, 4];
    let mut short = Session::new(old.model().clone());
    short.set_log_capacity(3);
    short.extend(&pattern).unwrap();
    let short = short.snapshot();
    let log = |items: [u32; 4]| items.map(Some);
    let error = refused(&new, &short, &log([9, 8, 9, 7])).to_string();
    assert!(error.contains("found item 7 at event 3, expected 8"), "{error}");
    let error = refused(&new, &short, &[Some(9), Some(8), Some(9), None]).to_string();
    assert!(error.contains("found item None at event 3"), "{error}");
    let error = refused(&new, &short, &log([9, 9, 9, 9])).to_string();
    assert!(error.contains("item 9 at event 2, expected another one than for another"), "{error}");

    // A log with another number of distinct items than were seen.
    let mut unlogged = Session::new(old.model().clone());
    unlogged.extend(&pattern).unwrap();
    let error = refused(&new, &unlogged.snapshot(), &log([1, 2, 3, 1])).to_string();
    assert!(error.contains("found 3 distinct items, expected 2 items"), "{error}");
    let error = refused(&new, &unlogged.snapshot(), &log([1, 1, 1, 1])).to_string();
    assert!(error.contains("found 1 distinct items, expected 2 items"), "{error}");
    let error = refused(&new, &unlogged.snapshot(), &[Some(1), Some(2), None, None]).to_string();
    assert!(error.contains("found 2 distinct items and 2 unknown events"), "{error}");
    for possible in [[Some(1), None, Some(1), None], [None; 4]] {
        assert!(Session::migrate(new.clone(), &unlogged.snapshot(), &possible).is_ok());
    }

    let error = refused(&new, &short, &log([9, 50, 9, 50]));
    assert_says(&error, ErrorKind::Item, "found 50, expected less than 50");
}

#[test]
fn a_snapshot_is_checked_without_its_model() {
    let new = model(&NEW);
    let (old, events) = old_session(5);
    let log: Vec<_> = events.iter().copied().map(translated).collect();
    let good = old.snapshot();
    for (bytes, words) in [
        (b"RGRL".to_vec(), "found 4 bytes left"),
        (forged(&good, 0, b"x"), "magic"),
        (forged(&good, 8, &[1]), "found version 1, expected 2"),
    ] {
        assert_says(&refused(&new, &bytes, &log), ErrorKind::Snapshot, words);
    }
    for offset in (0..good.len()).step_by(7) {
        let mut damaged = good.clone();
        damaged[offset] ^= 16;
        refused(&new, &damaged, &log);
        refused(&new, &good[..offset], &log);
    }
}
