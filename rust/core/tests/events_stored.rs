//! Kinds and times of events at rest: versions 3 to 5 of snapshots and fleet files.

mod common;
mod paths;

use std::sync::Arc;

use common::{FORMAT_2, Rng, SNAPSHOT_HEADER, Shape, assert_says, everything, forged, model};
use paths::fleet_path;
use recgrela::{ErrorKind, Event, Fleet, Kind, Model, Precision, Session, Snapshot};

/// The smallest models with kinds, with times, and with both.
const KINDS: Shape = Shape { kinds: 3, ..Shape::TINY };
const TIMES: Shape = Shape { gaps: true, ..Shape::TINY };
const BOTH: Shape = Shape { gaps: true, ..KINDS };

fn shapes() -> impl Iterator<Item = &'static Shape> {
    FORMAT_2.iter().filter(|shape| shape.kinds > 0 || shape.gaps)
}

fn version(shape: &Shape) -> u8 {
    2 + u8::from(shape.kinds > 0) + 2 * u8::from(shape.gaps)
}

fn logged(model: &Arc<Model>, capacity: usize, events: &[Event]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.set_log_capacity(capacity);
    session.extend(events).unwrap();
    session
}

#[test]
fn a_snapshot_at_any_point_continues_with_the_same_bits() {
    for shape in shapes() {
        let (model, events) = (model(shape), Rng::new(1).events(15, shape));
        for capacity in [0, 4, 100] {
            let mut whole = Session::new(Arc::clone(&model));
            whole.set_log_capacity(capacity);
            for (cut, &event) in events.iter().enumerate() {
                let snapshot = whole.snapshot();
                assert_eq!(snapshot[8..12], [version(shape), 0, 0, 0]);
                let mut second = Session::new(Arc::clone(&model));
                second.restore(&snapshot).unwrap();
                assert_eq!(second.snapshot(), snapshot);
                whole.append(event).unwrap();
                second.append(event).unwrap();
                assert_eq!(second.snapshot(), whole.snapshot(), "{shape:?}, cut at {cut}");
            }
        }
    }
}

#[test]
fn the_kinds_are_the_bytes_before_the_checksum() {
    let (model, events) = (model(&KINDS), Rng::new(2).events(9, &KINDS));
    for precision in [Precision::F32, Precision::F16] {
        let session = logged(&model, 6, &events);
        let snapshot = session.snapshot_with(precision);
        let end = snapshot.len() - 32;
        let kinds = events[3..].iter().map(|event| event.kind.unwrap());
        assert!(snapshot[end - 6..end].iter().map(|&kind| Kind::new(kind)).eq(kinds.clone()));
        let parsed = Snapshot::from_bytes(&snapshot).unwrap();
        assert!(parsed.log_kinds().eq(kinds));
        assert!(parsed.log().eq(events[3..].iter().map(|event| event.item)));
        // Without a log, there is no kind to store.
        let state = logged(&model, 0, &events).snapshot_with(precision);
        assert_eq!(state.len(), snapshot.len() - 6 * 5);
    }
}

#[test]
fn a_session_keeps_as_much_of_the_log_as_it_wants() {
    let (model, events) = (model(&KINDS), Rng::new(3).events(9, &KINDS));
    let snapshot = logged(&model, 6, &events).snapshot();
    for (own, kept) in [(0, 6), (2, 2), (6, 6), (50, 6)] {
        let mut session = Session::new(Arc::clone(&model));
        session.set_log_capacity(own);
        session.restore(&snapshot).unwrap();
        let last = events[9 - kept..].iter();
        assert!(session.log().eq(last.clone().map(|event| event.item)));
        assert!(session.log_kinds().map(Some).eq(last.map(|event| event.kind)));
    }
}

#[test]
fn every_damaged_byte_is_refused() {
    let (model, events) = (model(&BOTH), Rng::new(4).events(9, &BOTH));
    let good = logged(&model, 20, &events);
    let mut session = logged(&model, 4, &events[..3]);
    let before = session.snapshot();
    for precision in [Precision::F32, Precision::F16] {
        let good = good.snapshot_with(precision);
        for length in 0..good.len() {
            session.restore(&good[..length]).expect_err("a cut snapshot");
        }
        for byte in 0..good.len() {
            for flip in [1, 2, 0x80, 0xff] {
                let mut blob = good.clone();
                blob[byte] ^= flip;
                session.restore(&blob).expect_err("a flipped byte");
            }
        }
    }
    assert_eq!(session.snapshot(), before);
    session.restore(&good.snapshot()).unwrap();
}

/// Snapshots with a valid checksum and contents that no session of the model can have.
#[test]
fn the_version_and_the_kinds_fit_the_model() {
    let (kinds, plain) = (model(&KINDS), model(&Shape::TINY));
    let events = Rng::new(5).events(9, &KINDS);
    let good = logged(&kinds, 9, &events).snapshot();
    let mut session = Session::new(Arc::clone(&kinds));
    let last = good.len() - 33;
    let error = session.restore(&forged(&good, last, &[3])).unwrap_err();
    assert_says(
        &error,
        ErrorKind::Snapshot,
        "found kind 3 in the log, expected a kind of the model",
    );
    let error = session.restore(&forged(&good, 8, &[2])).unwrap_err();
    assert_says(&error, ErrorKind::Snapshot, "bytes, expected");
    for version in [0, 1, 6] {
        let error = session.restore(&forged(&good, 8, &[version])).unwrap_err();
        let named = format!("found version {version}, expected 2 to 5");
        assert_says(&error, ErrorKind::Snapshot, &named);
    }
    // Without a log, both versions have the same length.
    let good = logged(&kinds, 0, &events).snapshot();
    let error = session.restore(&forged(&good, 8, &[2])).unwrap_err();
    let named = "found a version without kinds of events, expected one with them, as the model is";
    assert_says(&error, ErrorKind::Snapshot, named);
    let mut without = Session::new(Arc::clone(&plain));
    without.extend(&[1, 2]).unwrap();
    let error = without.restore(&forged(&without.snapshot(), 8, &[3])).unwrap_err();
    let named = "found a version with kinds of events, expected one without them, as the model is";
    assert_says(&error, ErrorKind::Snapshot, named);
    assert_eq!((session.events(), without.events()), (0, 2));
    assert!(SNAPSHOT_HEADER < good.len());
}

/// Snapshots with a valid checksum and times that no session of the model can have.
#[test]
fn the_last_time_is_that_of_the_log() {
    let model = model(&TIMES);
    let events =
        [(5, 100), (7, 160), (5, 90)].map(|(item, time)| Event::from(item).with_time(time));
    let session = logged(&model, 2, &events);
    let good = session.snapshot();
    assert_eq!(good[SNAPSHOT_HEADER..][..8], 90_i64.to_le_bytes());
    let end = good.len() - 32;
    assert_eq!(good[end - 16..end], [160_i64.to_le_bytes(), 90_i64.to_le_bytes()].concat());
    let parsed = Snapshot::from_bytes(&good).unwrap();
    assert!(parsed.log_times().eq([160, 90]) && session.log_times().eq([160, 90]));

    let error = Snapshot::from_bytes(&forged(&good, SNAPSHOT_HEADER, &[91])).unwrap_err();
    assert_says(&error, ErrorKind::Snapshot, "found a last event at 91, expected 90");
    let error = Snapshot::from_bytes(&forged(&good, end - 8, &[91])).unwrap_err();
    assert_says(&error, ErrorKind::Snapshot, "found a last event at 90, expected 91");
    let empty = Session::new(Arc::clone(&model)).snapshot();
    let error = Snapshot::from_bytes(&forged(&empty, SNAPSHOT_HEADER, &[1])).unwrap_err();
    assert_says(&error, ErrorKind::Snapshot, "found a last event at 1, expected 0");

    let mut plain = Session::new(common::model(&Shape::TINY));
    let error = plain.restore(&good).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "snapshot: found model");
}

#[test]
fn a_saved_fleet_continues_with_the_same_bits() {
    let path = fleet_path("kinds-roundtrip");
    for shape in shapes() {
        let (model, rng) = (model(shape), &mut Rng::new(6));
        for capacity in [0, 3, usize::MAX] {
            let mut saved = Fleet::new(Arc::clone(&model));
            saved.set_log_capacity(capacity);
            saved.append(&rng.items(50, 20), &rng.events(50, shape)).unwrap();
            saved.save(&path).unwrap();
            saved.append(&rng.items(20, 25), &rng.events(20, shape)).unwrap();
            saved.save_changes(&path).unwrap();
            let mut loaded = Fleet::open(&path, Arc::clone(&model)).unwrap();
            let (users, events) = (rng.items(60, 25), rng.events(60, shape));
            for fleet in [&mut saved, &mut loaded] {
                fleet.append(&users, &events).unwrap();
            }
            let sorted = |fleet: &Fleet| {
                let mut all = everything(fleet);
                all.sort_unstable();
                all
            };
            assert_eq!(sorted(&loaded), sorted(&saved));
        }
    }
}

#[test]
fn the_version_of_a_fleet_file_fits_the_model() {
    let path = fleet_path("kinds-version");
    let version = || std::fs::read(&path).unwrap()[8];
    for shape in [&Shape::TINY, &KINDS, &TIMES, &BOTH] {
        let (model, expected) = (model(shape), self::version(shape));
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.append(&[1], &Rng::new(1).events(1, shape)).unwrap();
        fleet.save(&path).unwrap();
        assert_eq!(version(), expected);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 7 - expected;
        std::fs::write(&path, &bytes).unwrap();
        let error = Fleet::open(&path, Arc::clone(&model)).unwrap_err();
        let named = format!("found version {}, expected {expected}", 7 - expected);
        assert_says(&error, ErrorKind::Fleet, &named);
        bytes[8] = 6;
        std::fs::write(&path, &bytes).unwrap();
        let error = Fleet::open(&path, model).unwrap_err();
        assert_says(&error, ErrorKind::Fleet, &format!("found version 6, expected {expected}"));
    }
}

#[test]
fn damaged_fleet_files_are_refused() {
    let path = fleet_path("kinds-damaged");
    let model = model(&BOTH);
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.set_log_capacity(9);
    let events = [(5, 0, 10), (7, 2, 20), (8, 1, 30), (9, 2, 40)];
    let events =
        events.map(|(item, kind, time)| Event::from((item, Kind::new(kind))).with_time(time));
    fleet.append(&[1, 3, 1, 1], &events).unwrap();
    fleet.save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Fleet::open(&path, Arc::clone(&model)).expect_err("a damaged file")
    };
    (0..good.len()).for_each(|length| drop(refused(&good[..length])));
    for byte in 0..good.len() {
        for flip in [1, 0xff] {
            let mut bytes = good.clone();
            bytes[byte] ^= flip;
            refused(&bytes);
        }
    }
    // User 3 has the last event, and its kind is the last byte before the padding.
    let mut bytes = good.clone();
    let first = 8 + 32 + 4 * bytes[12] as usize + (4 + 4 + 8 + 1) * 3;
    let kind = 48 + 88 + first + 8 + 32 + 4 * bytes[12] as usize + 4 + 4 + 8;
    bytes[kind] = 3;
    let error = refused(&bytes);
    assert_says(&error, ErrorKind::Fleet, "kind 3 in the log of user 3, expected a kind of the");
    let mut bytes = good.clone();
    bytes[kind - 8] = 21;
    let error = refused(&bytes);
    assert_says(
        &error,
        ErrorKind::Fleet,
        "a last event at 20 of user 3, expected 21, as in the log",
    );
}
