//! Reasons: the events without which an item's score falls most.

mod common;

use common::{FORMAT_2, Rng, SHAPES, Shape, assert_says, model, models};
use recgrela::{ErrorKind, Event, Session};

fn with_log(model: &std::sync::Arc<recgrela::Model>, events: &[Event]) -> Session {
    let mut session = Session::new(model.clone());
    session.set_log_capacity(usize::MAX);
    session.extend(events).unwrap();
    session
}

/// The drop of each event, by a session without it.
fn drops(session: &Session, events: &[Event], item: u32) -> Vec<f32> {
    let score = session.score(&[item]).unwrap()[0];
    let without = |position: usize| {
        let rest = [&events[..position], &events[position + 1..]].concat();
        with_log(session.model(), &rest).score(&[item]).unwrap()[0]
    };
    (0..events.len()).map(|position| score - without(position)).collect()
}

#[test]
fn drops_are_those_of_sessions_without_the_event() {
    for shape in SHAPES.iter().chain(&FORMAT_2) {
        for model in models(shape) {
            let events = Rng::new(1).events(20, shape);
            let session = with_log(&model, &events);
            let before = session.snapshot();
            let item = shape.items as u32 / 2;
            let expected = drops(&session, &events, item);
            let reasons = session.why(item, 20).unwrap();
            assert_eq!(reasons.len(), expected.iter().filter(|&&drop| drop > 0.0).count());
            assert!(reasons.is_sorted_by(|a, b| a.drop >= b.drop), "{shape:?}: {reasons:?}");
            for reason in &reasons {
                assert_eq!(reason.drop.to_bits(), expected[reason.position].to_bits());
                assert_eq!(reason.event, events[reason.position]);
            }
            assert_eq!(session.why(item, 2).unwrap()[..], reasons[..reasons.len().min(2)]);
            assert_eq!(session.snapshot(), before, "{shape:?}");
        }
    }
}

/// In a long history the drops of the events that are named are exact too, and the best event of the
/// best block is the first.
#[test]
fn of_a_long_history() {
    let shape = Shape::TINY;
    let model = model(&shape);
    let events = Rng::new(3).events(700, &shape);
    let session = with_log(&model, &events);
    let expected = drops(&session, &events, 4);
    let reasons = session.why(4, 10).unwrap();
    assert_eq!(reasons.len(), 10);
    for reason in &reasons {
        assert_eq!(reason.drop.to_bits(), expected[reason.position].to_bits());
    }
    let best = expected.iter().copied().fold(0.0, f32::max);
    assert!(reasons[0].drop > 0.5 * best, "{} of {best}", reasons[0].drop);
}

#[test]
fn the_only_event_is_compared_with_the_start_vector() {
    let shape = Shape { start: true, ..Shape::TINY };
    let (model, without) = (model(&shape), common::model(&Shape::TINY));
    let session = with_log(&model, &[5.into()]);
    let empty = Session::new(model);
    let drop = |item| session.score(&[item]).unwrap()[0] - empty.score(&[item]).unwrap()[0];
    let item = (0..33).find(|&item| drop(item) > 0.0).unwrap();
    let reasons = session.why(item, 3).unwrap();
    assert_eq!((reasons.len(), reasons[0].drop), (1, drop(item)));
    assert!(with_log(&without, &[5.into()]).why(item, 3).unwrap().is_empty());
}

#[test]
fn faults_are_named() {
    let model = model(&Shape::TINY);
    let mut session = Session::new(model);
    session.set_log_capacity(2);
    assert_says(&session.why(1, 1).unwrap_err(), ErrorKind::NoEvents, "no events");
    session.extend(&[1, 2, 3]).unwrap();
    assert_says(
        &session.why(1, 1).unwrap_err(),
        ErrorKind::Log,
        "the last 2 events, expected all 3",
    );
    assert_says(&session.why(33, 1).unwrap_err(), ErrorKind::Item, "found 33");
}
