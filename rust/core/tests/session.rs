//! Sessions: what is refused, what is counted, and that snapshots continue with the same bits.

mod common;

use std::sync::Arc;

use common::{Rng, Shape, bits, catalogue, model, seal, session};
use recgrela::{Error, Filter, Model, Session};

fn scores(session: &Session) -> Vec<u32> {
    bits(&session.score(&catalogue(session.model())).unwrap())
}

#[test]
fn a_session_without_events_says_what_to_do() {
    let session = Session::new(model(&Shape::TINY));
    let errors = [
        session.score(&[0]).unwrap_err(),
        session.top_k(1, &Filter::default()).unwrap_err(),
        session.user_vector().unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::NoEvents));
        assert!(error.to_string().contains("append"));
    }
}

#[test]
fn unknown_items_change_nothing() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 5, 1);
    let before = session.snapshot();
    assert!(matches!(session.append(33), Err(Error::ItemOutOfRange { found: 33, num_items: 33 })));
    assert!(session.extend(&[1, 2, u32::MAX]).is_err());
    assert!(session.score(&[1, 33]).is_err());
    let filters = [
        Filter { allow: Some(&[33]), ..Filter::default() },
        Filter { deny: &[0, 33], ..Filter::default() },
    ];
    assert!(filters.iter().all(|filter| session.top_k(3, filter).is_err()));
    let error = session.score_into(&[1, 2], &mut [0.0]).unwrap_err();
    assert!(matches!(error, Error::BufferLength { found: 1, expected: 2 }));
    assert_eq!(session.snapshot(), before);
}

#[test]
fn counts_and_sizes() {
    let shape = Shape { layers: 4, ..Shape::BASE };
    let mut session = Session::new(model(&shape));
    assert_eq!((session.events(), session.state_bytes()), (0, 20_480));
    session.extend(&[7, 3, 7, 99, 3]).unwrap();
    assert_eq!(session.seen(), [3, 7, 99]);
    assert_eq!((session.events(), session.state_bytes()), (5, 20_480 + 12));
    assert_eq!(session.user_vector().unwrap().len(), 64);
    session.reset();
    assert_eq!((session.events(), session.state_bytes()), (0, 20_480));
    assert_eq!(session.snapshot(), Session::new(session.model().clone()).snapshot());
}

#[test]
fn clones_and_resets_are_independent() {
    let model = model(&Shape::BASE);
    let original = session(&model, 30, 1);
    let mut clone = original.clone();
    assert_eq!(scores(&clone), scores(&original));
    let before = scores(&original);
    clone.append(4).unwrap();
    assert_ne!(scores(&clone), before);
    assert_eq!(scores(&original), before);
    clone.reset();
    clone.extend(&Rng::new(1).items(30, model.num_items())).unwrap();
    assert_eq!(clone.snapshot(), original.snapshot());
}

#[test]
fn sessions_move_between_threads() {
    let model = model(&Shape::BASE);
    let expected = scores(&session(&model, 20, 1));
    let work = || {
        std::thread::spawn({
            let model = Arc::clone(&model);
            move || scores(&session(&model, 20, 1))
        })
    };
    for thread in [work(), work()] {
        assert_eq!(thread.join().unwrap(), expected);
    }
}

#[test]
fn a_snapshot_at_any_point_continues_with_the_same_bits() {
    for shape in [Shape::BASE, Shape { conv: false, positions: "learned", ..Shape::TINY }] {
        let model = model(&shape);
        let items = Rng::new(5).items(25, model.num_items());
        let mut whole = Session::new(model.clone());
        let mut expected = vec![];
        for &item in &items {
            whole.append(item).unwrap();
            expected.push(scores(&whole));
        }
        for cut in 0..items.len() {
            let mut first = Session::new(model.clone());
            first.extend(&items[..cut]).unwrap();
            let mut second = session(&model, 3, 6);
            second.restore(&first.snapshot()).unwrap();
            assert_eq!(second.seen(), first.seen());
            for (t, &item) in items.iter().enumerate().skip(cut) {
                second.append(item).unwrap();
                assert_eq!(scores(&second), expected[t], "cut at {cut}, event {t}");
            }
            assert_eq!(second.snapshot(), whole.snapshot());
        }
    }
}

/// Asserts that a snapshot is refused and the session is left as it was.
fn assert_refused(session: &mut Session, blob: &[u8], what: &str) -> Error {
    let before = session.snapshot();
    let error = session.restore(blob).expect_err(what);
    assert_eq!(session.snapshot(), before, "{what}");
    error
}

#[test]
fn damaged_snapshots_are_refused() {
    let model = model(&Shape::TINY);
    let good = session(&model, 12, 1).snapshot();
    let mut session = session(&model, 4, 2);
    for length in 0..good.len() {
        assert_refused(&mut session, &good[..length], &format!("cut to {length} bytes"));
    }
    assert_refused(&mut session, &[&good[..], &[0]].concat(), "a byte too long");
    for bit in 0..good.len() * 8 {
        let mut blob = good.clone();
        blob[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&mut session, &blob, &format!("bit {bit}"));
    }
    session.restore(&good).unwrap();
}

#[test]
fn snapshots_of_another_model_are_refused() {
    let foreign = session(&model(&Shape { items: 34, ..Shape::TINY }), 4, 1).snapshot();
    let mut session = session(&model(&Shape::TINY), 4, 1);
    let error = assert_refused(&mut session, &foreign, "foreign");
    assert!(matches!(error, Error::SnapshotModel { .. }));
    assert!(error.to_string().contains(&session.model().fingerprint().to_string()));
}

/// Snapshots whose checksum is right and whose contents no session has.
#[test]
fn forged_snapshots_are_refused() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 4, 2);
    let mut good = Session::new(model);
    good.extend(&[4, 9, 9, 30]).unwrap();
    let good = good.snapshot();
    let seen = good.len() - 32 - 12;
    let forgeries: [(&str, usize, &[u8]); 11] = [
        ("magic", 0, b"r"),
        ("version", 8, &2_u32.to_le_bytes()),
        ("more state", 12, &u32::MAX.to_le_bytes()),
        ("fewer events than items", 16, &2_u64.to_le_bytes()),
        ("no events", 16, &0_u64.to_le_bytes()),
        ("more items than there are", 24, &u64::MAX.to_le_bytes()),
        ("more items than bytes", 24, &4_u64.to_le_bytes()),
        ("NaN", 64, &f32::NAN.to_le_bytes()),
        ("infinity", seen - 4, &f32::NEG_INFINITY.to_le_bytes()),
        ("item past the last", seen + 8, &33_u32.to_le_bytes()),
        ("the same item twice", seen, &9_u32.to_le_bytes()),
    ];
    for (what, at, bytes) in forgeries {
        let mut blob = good.clone();
        blob[at..at + bytes.len()].copy_from_slice(bytes);
        seal(&mut blob);
        assert_refused(&mut session, &blob, what);
    }
    session.restore(&good).unwrap();
}

#[test]
fn model_and_session_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Model>();
    check::<Session>();
}
