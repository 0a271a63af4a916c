//! Snapshots: they continue with the same bits, or a small drift in half precision. Damaged or
//! forged ones change nothing.

mod common;

use common::{
    Rng, SHAPES, SNAPSHOT_HEADER, Shape, assert_says, bits, catalogue, forged, model, models,
    session, with_events,
};
use recgrela::{Error, ErrorKind, Filter, Model, Precision, Session, Snapshot};

fn scores(session: &Session) -> Vec<f32> {
    session.score(&catalogue(session.model())).unwrap()
}

/// A session on a model, restored.
fn restored(model: &std::sync::Arc<Model>, snapshot: &[u8]) -> Session {
    let mut session = Session::new(model.clone());
    session.restore(snapshot).unwrap();
    session
}

#[test]
fn a_snapshot_at_any_point_continues_with_the_same_bits() {
    for shape in &SHAPES {
        let model = model(shape);
        let items = Rng::new(5).items(12, shape.items);
        let mut whole = Session::new(model.clone());
        let mut snapshots = vec![whole.snapshot()];
        for &item in &items {
            whole.append(item).unwrap();
            snapshots.push(whole.snapshot());
        }
        for cut in 0..=items.len() {
            let mut second = session(&model, 3, 6);
            second.restore(&snapshots[cut]).unwrap();
            for t in cut..items.len() {
                assert_eq!(second.snapshot(), snapshots[t], "{shape:?}, cut at {cut}, event {t}");
                second.append(items[t]).unwrap();
            }
            assert_eq!(second.snapshot(), whole.snapshot());
            assert_eq!((second.seen(), second.events()), (whole.seen(), whole.events()));
            assert_eq!(bits(&scores(&second)), bits(&scores(&whole)));
        }
    }
}

#[test]
fn half_precision_is_the_same_on_every_instruction_set() {
    for shape in &SHAPES {
        let taken = models(shape).into_iter().map(|model| {
            let mut session = session(&model, 30, 1);
            let halves = session.snapshot_with(Precision::F16);
            session.restore(&halves).unwrap();
            assert_eq!(session.snapshot_with(Precision::F16), halves, "taken twice");
            session.append(0).unwrap();
            (halves, session.snapshot())
        });
        let taken: Vec<_> = taken.collect();
        assert!(taken.iter().all(|snapshots| *snapshots == taken[0]), "{shape:?}");
    }
}

/// The bound of `docs/format.md`.
#[test]
fn half_precision_drifts_a_little() {
    let mut largest: f32 = 0.0;
    for shape in SHAPES.iter().filter(|shape| shape.items > 1) {
        let model = model(shape);
        for (events, seed) in [(1, 1), (30, 2), (1000, 3)] {
            let mut exact = session(&model, events, seed);
            let mut half = restored(&model, &exact.snapshot_with(Precision::F16));
            assert_eq!(bits(&scores(&half)), bits(&scores(&exact)), "before the next event");
            for item in Rng::new(seed + 10).items(50, shape.items) {
                exact.append(item).unwrap();
                half.append(item).unwrap();
                let (found, expected) = (scores(&half), scores(&exact));
                let size = expected.iter().fold(0.0_f32, |size, score| size.max(score.abs()));
                let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / size);
                largest = apart.fold(largest, f32::max);
            }
        }
    }
    assert!(largest < 1e-3, "{largest:e}");
}

#[test]
fn half_precision_is_half_the_size() {
    let model = model(&Shape { layers: 4, ..Shape::BASE });
    let session = session(&model, 50, 1);
    let rest = SNAPSHOT_HEADER + 4 * (64 + session.seen().len()) + 32;
    assert_eq!(session.snapshot().len(), 20_480 + rest);
    assert_eq!(session.snapshot_with(Precision::F16).len(), 10_240 + 80 + rest);
    assert_eq!(session.snapshot_with(Precision::F32), session.snapshot());
}

#[test]
fn half_precision_holds_numbers_of_any_size() {
    let model = model(&Shape::TINY);
    let snapshot = session(&model, 5, 1).snapshot();
    let rows: [[f32; 8]; 4] = [
        [f32::MAX, -f32::MAX, 1e38, -3e35, 1e30, 0.0, 1.0, 1e-30],
        [65_504.0, 65_519.0, 65_520.0, 1e7, -1e7, 0.5, 0.0, -0.0],
        [1e-40, -1e-45, f32::MIN_POSITIVE, 0.0, 1e-38, 0.0, 0.0, 0.0],
        [1e-45, 0.0, 0.0, -1e-42, 0.0, 0.0, 0.0, 0.0],
    ];
    let numbers: Vec<_> = rows.as_flattened().iter().flat_map(|x| x.to_le_bytes()).collect();
    let extreme = restored(&model, &forged(&snapshot, SNAPSHOT_HEADER, &numbers));
    let found = restored(&model, &extreme.snapshot_with(Precision::F16)).snapshot();
    let found = found[SNAPSHOT_HEADER..].as_chunks().0.iter().map(|&x| f32::from_le_bytes(x));
    let found: Vec<_> = found.take(32).collect();
    for (found, expected) in found.as_chunks::<8>().0.iter().zip(rows) {
        let largest = expected.iter().fold(0.0_f64, |x, &y| x.max(f64::from(y.abs())));
        for (&found, expected) in found.iter().zip(expected) {
            let apart = (f64::from(found) - f64::from(expected)).abs();
            // Eleven bits each, down to 2^-28 of the row's largest magnitude.
            let bound = f64::from(expected.abs()) / 2048.0 + largest * 2.0_f64.powi(-39);
            assert!(apart <= bound, "{found:e} for {expected:e}");
        }
    }
}

#[test]
fn the_log_goes_with_the_snapshot() {
    let model = model(&Shape::TINY);
    let mut logged = Session::new(model.clone());
    logged.set_log_capacity(6);
    logged.extend(&[4, 9, 9, 30]).unwrap();
    for precision in [Precision::F32, Precision::F16] {
        let snapshot = logged.snapshot_with(precision);
        let parsed = Snapshot::from_bytes(&snapshot).unwrap();
        assert_eq!(parsed.fingerprint(), model.fingerprint());
        assert_eq!((parsed.precision(), parsed.events()), (precision, 4));
        assert!(parsed.seen().eq([4, 9, 30]) && parsed.log().eq([4, 9, 9, 30]));
        assert_eq!(parsed.log_capacity(), 6);

        // A session without a log adopts the snapshot's log and capacity.
        let mut other = restored(&model, &snapshot);
        assert_eq!(other.log_capacity(), 6);
        other.forget(&[9]).unwrap();
        let mut expected = Session::new(model.clone());
        expected.set_log_capacity(6);
        expected.extend(&[4, 30]).unwrap();
        assert_eq!(other.snapshot(), expected.snapshot());

        // The session's own capacity stays.
        for (capacity, log) in [(3, &[9, 9, 30][..]), (4, &[4, 9, 9, 30]), (9, &[4, 9, 9, 30])] {
            let mut own = Session::new(model.clone());
            own.set_log_capacity(capacity);
            own.append(1).unwrap();
            own.restore(&snapshot).unwrap();
            assert_eq!(own.log_capacity(), capacity);
            assert!(own.log().eq(log.iter().copied()));
        }
    }
    // A snapshot without a log empties the session's log.
    logged.restore(&session(&model, 5, 1).snapshot()).unwrap();
    assert_eq!((logged.log().len(), logged.log_capacity(), logged.events()), (0, 6, 5));
    let error = logged.forget(&[1]).unwrap_err();
    assert_says(&error, ErrorKind::Log, "a log of the last 0 events, expected all 5");
}

/// Asserts that a snapshot is refused and the session unchanged.
fn assert_refused(session: &mut Session, blob: &[u8], what: &str) -> Error {
    let before = (session.snapshot(), session.undoable());
    let error = session.restore(blob).expect_err(what);
    assert_eq!((session.snapshot(), session.undoable()), before, "{what}");
    error
}

#[test]
fn damaged_snapshots_are_refused() {
    let model = model(&Shape::TINY);
    let mut good = Session::new(model.clone());
    good.set_log_capacity(20);
    good.extend(&Rng::new(1).items(12, 33)).unwrap();
    let mut session = Session::new(model);
    session.set_undo_depth(3).unwrap();
    session.set_log_capacity(4);
    session.extend(&[1, 2, 3, 2, 1]).unwrap();
    for precision in [Precision::F32, Precision::F16] {
        let good = good.snapshot_with(precision);
        for length in 0..good.len() {
            assert_refused(&mut session, &good[..length], &format!("cut to {length} bytes"));
        }
        assert_refused(&mut session, &[&good[..], &[0]].concat(), "a byte too long");
        for bit in 0..good.len() * 8 {
            let mut blob = good.clone();
            blob[bit / 8] ^= 1 << (bit % 8);
            assert_refused(&mut session, &blob, &format!("bit {bit}"));
        }
    }
    session.restore(&good.snapshot()).unwrap();
}

#[test]
fn snapshots_of_another_model_are_refused() {
    let foreign = session(&model(&Shape { items: 34, ..Shape::TINY }), 4, 1).snapshot();
    let mut session = session(&model(&Shape::TINY), 4, 1);
    let error = assert_refused(&mut session, &foreign, "foreign");
    assert_says(&error, ErrorKind::OtherModel, "snapshot: found model");
    assert!(error.to_string().contains(&session.model().fingerprint().to_string()));
}

/// Snapshots with a valid checksum and contents that no session can have.
#[test]
fn forged_snapshots_are_refused() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 4, 2);
    let mut good = Session::new(model);
    good.set_log_capacity(9);
    good.extend(&[4, 9, 9, 30]).unwrap();
    let good = good.snapshot();
    let log = good.len() - 32 - 16;
    let seen = log - 12;
    let forgeries: [(&str, usize, &[u8]); 23] = [
        ("does not start with the magic bytes", 0, b"r"),
        ("found version 1, expected 2", 8, &1_u32.to_le_bytes()),
        ("found precision 2", 12, &2_u32.to_le_bytes()),
        ("bytes, expected", 12, &1_u32.to_le_bytes()),
        ("state numbers, expected a multiple", 16, &u32::MAX.to_le_bytes()),
        ("bytes, expected", 16, &(u32::MAX - 7).to_le_bytes()),
        ("state numbers, expected a multiple", 20, &0_u32.to_le_bytes()),
        ("3 distinct items in 2 events", 24, &2_u64.to_le_bytes()),
        ("a state without events", 24, &0_u64.to_le_bytes()),
        ("bytes, expected", 32, &u32::MAX.to_le_bytes()),
        ("bytes, expected", 32, &4_u32.to_le_bytes()),
        ("found 0 in the active overlay, expected the 1 of the history", 36, &1_u32.to_le_bytes()),
        ("4 events in the log, expected at most", 40, &3_u64.to_le_bytes()),
        ("events in the log, expected at most", 48, &u64::MAX.to_le_bytes()),
        ("bytes, expected", 48, &5_u64.to_le_bytes()),
        ("a digest without added items, expected zeros", 88, &[1]),
        ("found NaN at index 0", SNAPSHOT_HEADER, &f32::NAN.to_le_bytes()),
        ("found -inf at index", seen - 4, &f32::NEG_INFINITY.to_le_bytes()),
        ("seen item 9 after 9", seen, &9_u32.to_le_bytes()),
        ("item 33 in the log, expected a seen item", log, &33_u32.to_le_bytes()),
        ("found 2 distinct items in a log of all", log, &9_u32.to_le_bytes()),
        ("a log of 4 events out of 3", 24, &3_u64.to_le_bytes()),
        ("item 30 in the log, expected a seen item", seen + 8, &31_u32.to_le_bytes()),
    ];
    for (message, offset, bytes) in forgeries {
        let error =
            assert_refused(&mut session, &forged(&good, offset, bytes), message).to_string();
        let known = ["snapshot: ", "added items: "].iter().any(|start| error.starts_with(start));
        assert!(known && error.contains(message), "{error}: {message}");
    }
    // An item out of range, in both lists.
    let far = forged(&forged(&good, seen + 8, &[33]), log + 12, &[33]);
    let error = assert_refused(&mut session, &far, "far").to_string();
    assert!(error.contains("seen item 33, expected an item index of the model"), "{error}");
    // Both counts of the log at their maximum.
    let huge = forged(&forged(&good, 40, &[0xff; 8]), 48, &[0xff; 8]);
    let error = assert_refused(&mut session, &huge, "huge");
    assert_says(&error, ErrorKind::Snapshot, &format!("found {} bytes", huge.len()));
    session.restore(&good).unwrap();
}

#[test]
fn forged_halves_are_refused() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 4, 2);
    let good = session.snapshot_with(Precision::F16);
    let numbers = Shape::TINY.hidden * (4 + 1 + 3);
    let exponents = SNAPSHOT_HEADER + 2 * numbers;
    for (what, offset, bytes) in [
        ("infinity", SNAPSHOT_HEADER, &0x7c00_u16.to_le_bytes()[..]),
        ("NaN", SNAPSHOT_HEADER + 2, &0xfe00_u16.to_le_bytes()),
        ("a number past f32", exponents, &[0xff]),
    ] {
        let error = assert_refused(&mut session, &forged(&good, offset, bytes), what);
        assert_eq!(error.kind(), ErrorKind::Snapshot, "{what}: {error}");
    }
    session.restore(&good).unwrap();
}

/// Implausible but valid values cost no memory.
#[test]
fn a_capacity_is_only_a_number() {
    let model = model(&Shape::TINY);
    let mut session = Session::new(model.clone());
    session.set_log_capacity(9);
    session.extend(&[4, 9]).unwrap();
    let endless = restored(&model, &forged(&session.snapshot(), 40, &u64::MAX.to_le_bytes()));
    assert_eq!((endless.log_capacity(), endless.log().len()), (usize::MAX, 2));

    let mut far = restored(&model, &with_events(&session.snapshot(), u64::MAX));
    far.append(1).unwrap();
    assert_eq!((far.events(), far.log().len()), (u64::MAX, 3));
    assert_says(&far.forget(&[1]).unwrap_err(), ErrorKind::Log, "a log of the last 3 events");
    assert!(far.top_k(3, &Filter::unseen()).is_ok());
}
