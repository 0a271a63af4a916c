//! Undo restores the same bits, as far as checkpoints are kept.

mod common;

use common::{Rng, SHAPES, Shape, assert_says, model, models, session};
use recgrela::{ErrorKind, Session};

#[test]
fn undone_events_leave_no_trace() {
    for shape in &SHAPES {
        for model in models(shape) {
            let mut session = Session::new(model);
            session.set_undo_depth(5).unwrap();
            session.set_log_capacity(6);
            let mut before = vec![session.snapshot()];
            for item in Rng::new(1).items(20, shape.items) {
                session.append(item).unwrap();
                before.push(session.snapshot());
            }
            // In steps, across the ring's end and start.
            for n in [1, 0, 4] {
                session.undo(n).unwrap();
                before.truncate(before.len() - n);
                assert_eq!(Some(&session.snapshot()), before.last(), "{shape:?}");
            }
            assert_eq!((session.undoable(), session.events()), (0, 15));
            // The session continues as if nothing had been undone.
            let mut whole = Session::new(session.model().clone());
            whole.set_log_capacity(6);
            whole.extend(&Rng::new(1).items(15, shape.items)).unwrap();
            whole.append(0).unwrap();
            session.append(0).unwrap();
            assert_eq!(session.snapshot(), whole.snapshot());
        }
    }
}

#[test]
fn undoing_more_than_is_kept_changes_nothing() {
    let mut session = session(&model(&Shape::TINY), 5, 1);
    let before = session.snapshot();
    let error = session.undo(1).unwrap_err();
    assert_says(&error, ErrorKind::Undo, "found 0 undoable events, expected 1");
    assert_says(&error, ErrorKind::Undo, "set a larger undo depth");
    session.undo(0).unwrap();
    session.set_undo_depth(4).unwrap();
    assert!(session.undo(1).is_err(), "from the next event on");
    session.extend(&[1, 2]).unwrap();
    for n in [3, 4, usize::MAX] {
        assert_says(&session.undo(n).unwrap_err(), ErrorKind::Undo, "found 2 undoable events");
    }
    session.undo(2).unwrap();
    assert_eq!(session.snapshot(), before);
    assert!(session.undo(1).is_err());
}

#[test]
fn what_replaces_the_history_cannot_be_undone() {
    let model = model(&Shape::TINY);
    let start = || {
        let mut session = Session::new(model.clone());
        session.set_undo_depth(4).unwrap();
        session.set_log_capacity(10);
        session.extend(&[5, 6, 7, 6, 8]).unwrap();
        assert_eq!(session.undoable(), 4);
        session
    };
    let other = session(&model, 3, 2).snapshot();
    let replacements: [fn(&mut Session, &[u8]); 4] = [
        |session, other| session.restore(other).unwrap(),
        |session, _| session.reset(),
        |session, _| session.set_log_capacity(3),
        |session, _| session.set_undo_depth(2).unwrap(),
    ];
    for replace in replacements {
        let mut session = start();
        replace(&mut session, &other);
        assert_eq!(session.undoable(), 0);
        session.append(1).unwrap();
        session.undo(1).unwrap();
        assert!(session.undo(1).is_err());
    }
    // After forgetting, undo leads to states without the items.
    let mut session = start();
    session.forget(&[6]).unwrap();
    assert_eq!((session.events(), session.undoable()), (3, 3));
    session.undo(3).unwrap();
    let mut empty = Session::new(model.clone());
    empty.set_log_capacity(10);
    assert_eq!(session.snapshot(), empty.snapshot());
}

#[test]
fn a_full_log_gets_its_oldest_event_back() {
    let mut session = Session::new(model(&Shape::TINY));
    session.set_log_capacity(3);
    session.set_undo_depth(2).unwrap();
    session.extend(&[1, 2, 3, 4]).unwrap();
    assert!(session.log().eq([2, 3, 4]));
    assert!(session.forget(&[1]).is_err());
    session.undo(1).unwrap();
    assert!(session.log().eq([1, 2, 3]));
    session.forget(&[1]).unwrap();
    assert!(session.log().eq([2, 3]));
}

#[test]
fn the_memory_is_stated() {
    let mut session = session(&model(&Shape { layers: 4, ..Shape::BASE }), 5, 1);
    let history = session.state_bytes();
    assert_eq!(session.undo_bytes(), 0);
    session.set_undo_depth(8).unwrap();
    assert_eq!(session.undo_bytes(), 8 * 20_784);
    assert_eq!(session.clone().undo_bytes(), 8 * 20_784);
    assert_eq!(session.state_bytes(), history);
    for depth in [usize::MAX, usize::MAX / 20_784, usize::MAX >> 14] {
        let error = session.set_undo_depth(depth).unwrap_err();
        assert_says(&error, ErrorKind::OutOfMemory, &format!("{depth} checkpoints"));
        assert_eq!(session.undo_bytes(), 8 * 20_784, "unchanged");
    }
    session.set_undo_depth(0).unwrap();
    assert_eq!(session.undo_bytes(), 0);
}
