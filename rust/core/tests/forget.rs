//! Forgetting: bit-identical to a session that never had the items.

mod common;

use common::{Rng, SHAPES, Shape, assert_says, model, models, session};
use recgrela::{ErrorKind, Precision, Session};

#[test]
fn what_is_forgotten_never_was() {
    for shape in &SHAPES {
        for model in models(shape) {
            let events = Rng::new(1).items(30, shape.items);
            let with_log = |events: &[u32]| {
                let mut session = Session::new(model.clone());
                session.set_log_capacity(30);
                session.extend(events).unwrap();
                session
            };
            for forgotten in [&events[..1], &events[3..9], &[], &events[..]] {
                let mut session = with_log(&events);
                session.forget(forgotten).unwrap();
                let rest = events.iter().copied().filter(|item| !forgotten.contains(item));
                let mut expected = with_log(&rest.collect::<Vec<_>>());
                assert_eq!(session.snapshot(), expected.snapshot(), "{shape:?}");
                session.append(0).unwrap();
                expected.append(0).unwrap();
                assert_eq!(session.snapshot(), expected.snapshot(), "{shape:?}");
            }
        }
    }
}

#[test]
fn without_every_event_nothing_changes() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 5, 1);
    let before = session.snapshot();
    let error = session.forget(&[1]).unwrap_err();
    assert_says(&error, ErrorKind::Log, "found no log of the events");
    assert_says(&error, ErrorKind::Log, "keep a log from the first event on");
    assert_eq!(session.snapshot(), before);

    // Recorded from the middle on.
    session.set_log_capacity(100);
    session.extend(&[4, 5]).unwrap();
    let before = session.snapshot();
    let error = session.forget(&[4]).unwrap_err();
    assert_says(&error, ErrorKind::Log, "a log of the last 2 events, expected all 7");
    assert!(error.to_string().contains("the last 2 events, expected all 7"), "{error}");
    assert_eq!(session.snapshot(), before);

    // More events than the log's capacity.
    let mut session = Session::new(model);
    session.set_log_capacity(3);
    session.extend(&[4, 5, 6]).unwrap();
    assert_says(&session.forget(&[33]).unwrap_err(), ErrorKind::Item, "found 33");
    session.append(7).unwrap();
    let before = session.snapshot();
    let error = session.forget(&[7]).unwrap_err();
    assert_says(&error, ErrorKind::Log, "a log of the last 3 events, expected all 4");
    assert_eq!(session.snapshot(), before);
}

#[test]
fn the_log_holds_the_last_events() {
    let mut session = Session::new(model(&Shape::TINY));
    session.extend(&[1, 2]).unwrap();
    assert_eq!((session.log().len(), session.log_capacity()), (0, 0));
    session.set_log_capacity(4);
    session.extend(&[3, 4, 5]).unwrap();
    assert!(session.log().eq([3, 4, 5]));
    session.extend(&[6, 7]).unwrap();
    assert!(session.log().eq([4, 5, 6, 7]));
    session.set_log_capacity(2);
    assert!(session.log().eq([6, 7]));
    session.set_log_capacity(usize::MAX);
    session.append(8).unwrap();
    assert!(session.log().eq([6, 7, 8]));
    assert!(session.extend(&[9, 33]).is_err());
    assert!(session.log().eq([6, 7, 8]), "an event that was refused");
    session.reset();
    assert_eq!((session.log().len(), session.log_capacity()), (0, usize::MAX));
    session.append(1).unwrap();
    session.forget(&[1]).unwrap();
    assert_eq!(session.events(), 0);
    session.set_log_capacity(0);
    assert_says(&session.forget(&[1]).unwrap_err(), ErrorKind::Log, "found no log");
}

#[test]
fn forgetting_removes_the_drift_of_half_precision() {
    let model = model(&Shape::BASE);
    let mut exact = Session::new(model.clone());
    exact.set_log_capacity(50);
    exact.extend(&Rng::new(1).items(40, 100)).unwrap();
    let mut half = Session::new(model);
    half.restore(&exact.snapshot_with(Precision::F16)).unwrap();
    assert_ne!(half.snapshot(), exact.snapshot());
    exact.forget(&[7]).unwrap();
    half.forget(&[7]).unwrap();
    assert_eq!(half.snapshot(), exact.snapshot());
}
