//! Events with times: what the gaps between them change, and the errors. The tests of kinds run on
//! models with times too.

mod common;

use std::sync::Arc;

use common::{Rng, Shape, assert_says, bits, catalogue, everything, model};
use recgrela::{ErrorKind, Event, Filter, Fleet, Model, Session};

const TIMES: Shape = Shape { gaps: true, ..Shape::TINY };

fn session_of(model: &Arc<Model>, events: &[(u32, i64)]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.set_log_capacity(usize::MAX);
    session.extend(&timed(events)).unwrap();
    session
}

fn timed(events: &[(u32, i64)]) -> Vec<Event> {
    events.iter().map(|&(item, time)| Event::from(item).with_time(time)).collect()
}

fn scores(session: &Session) -> Vec<u32> {
    bits(&session.score(&catalogue(session.model())).unwrap())
}

/// The scores after two events with a gap in seconds.
fn after_gap(model: &Arc<Model>, start: i64, gap: i64) -> Vec<u32> {
    scores(&session_of(model, &[(3, start), (4, start + gap)]))
}

#[test]
fn only_the_bit_length_of_the_gap_counts() {
    let model = model(&TIMES);
    let mut all: Vec<_> = (0..=30).map(|bits| after_gap(&model, 7, (1 << bits) >> 1)).collect();
    for (bits, scores) in all.iter().enumerate().skip(1) {
        let longest = if bits == 30 { i64::MAX - 7 } else { (1 << bits) - 1 };
        assert_eq!(&after_gap(&model, 7, longest), scores, "{bits}");
        assert_eq!(&after_gap(&model, -900, 1 << (bits - 1)), scores, "{bits}");
    }
    assert_eq!(all[0], after_gap(&model, 7, -5), "a late event has no gap");
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 31);
}

#[test]
fn the_time_of_a_late_event_is_the_next_one_to_count_from() {
    let model = model(&TIMES);
    let late = session_of(&model, &[(1, 0), (2, 1000), (3, 100), (4, 1100)]);
    let usual = session_of(&model, &[(1, 0), (2, 1000), (3, 1000), (4, 2000)]);
    assert_eq!(scores(&late), scores(&usual));
}

#[test]
fn a_first_event_has_no_gap_wherever_a_history_begins() {
    let model = model(&TIMES);
    let expected = scores(&session_of(&model, &[(5, 0)]));
    assert_eq!(scores(&session_of(&model, &[(5, i64::MIN)])), expected);
    let mut session = session_of(&model, &[(1, 50), (2, 60)]);
    session.reset();
    session.extend(&timed(&[(5, 70)])).unwrap();
    assert_eq!(scores(&session), expected);
    session.forget(&[5]).unwrap();
    session.extend(&timed(&[(5, 80)])).unwrap();
    assert_eq!(scores(&session), expected);
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.append(&[1, 2, 1], &timed(&[(7, 10), (5, 20), (8, 30)])).unwrap();
    assert_eq!(scores(&fleet.session(2).unwrap()), expected);
    fleet.remove(1).unwrap();
    fleet.append(&[1], &timed(&[(5, 40)])).unwrap();
    assert_eq!(scores(&fleet.session(1).unwrap()), expected);
}

/// Without the event between, the gap is longer.
#[test]
fn reasons_replay_the_gaps() {
    let model = model(&TIMES);
    let events = [(1, 0), (2, 1 << 12), (3, (1 << 12) + 1), (4, 1 << 20)];
    let session = session_of(&model, &events);
    for item in 0..33 {
        let score = session.score(&[item]).unwrap()[0];
        for reason in session.why(item, 4).unwrap() {
            let mut kept = events.to_vec();
            let (item_there, time) = kept.remove(reason.position);
            assert_eq!(reason.event, Event::from(item_there).with_time(time));
            let without = session_of(&model, &kept).score(&[item]).unwrap()[0];
            assert_eq!(reason.drop.to_bits(), (score - without).to_bits());
        }
    }
}

#[test]
fn a_peek_continues_from_the_last_time() {
    let model = model(&TIMES);
    let session = session_of(&model, &[(1, 0), (2, 9)]);
    let peeked = session.peek(&timed(&[(3, 5000)]), 9, &Filter::unseen()).unwrap();
    let ahead = session_of(&model, &[(1, 0), (2, 9), (3, 5000)]);
    assert_eq!(peeked, ahead.top_k(9, &Filter::unseen()).unwrap());
    assert_ne!(peeked, session_of(&model, &[(3, 5000)]).top_k(9, &Filter::unseen()).unwrap());
}

#[test]
fn a_missing_time_changes_nothing() {
    let model = model(&TIMES);
    let mut session = session_of(&model, &[(1, 10), (2, 20)]);
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.set("ann", &session).unwrap();
    let before = (session.snapshot(), everything(&fleet));
    let (good, bad) = (Event::from(3).with_time(30), Event::from(4));
    let named = "time of the event: found none, expected whole seconds: this model uses the time";
    let errors = [
        session.append(bad).unwrap_err(),
        session.extend(&[good, bad, good]).unwrap_err(),
        session.peek(&[good, bad], 3, &Filter::unseen()).unwrap_err(),
        fleet.append(&["bob", "ann"], &[good, bad]).unwrap_err(),
    ];
    errors.iter().for_each(|error| assert_says(error, ErrorKind::Time, named));
    assert_eq!((session.snapshot(), everything(&fleet)), before);
}

#[test]
fn a_model_that_uses_no_times_refuses_one() {
    let model = model(&Shape::TINY);
    let mut session = Session::new(Arc::clone(&model));
    let error = session.append(Event::from(1).with_time(0)).unwrap_err();
    let named = "time of the event: found 0, expected none: this model does not use times";
    assert_says(&error, ErrorKind::Time, named);
    assert!(session.events() == 0 && session.log_times().len() == 0);
}

#[test]
fn migration_keeps_times_where_the_new_model_uses_them() {
    let events = Rng::new(8).events(50, &TIMES);
    let users = Rng::new(9).items(50, 6);
    let mut fleet = Fleet::new(model(&TIMES));
    fleet.set_log_capacity(usize::MAX);
    fleet.append(&users, &events).unwrap();
    let new = model(&Shape { layers: 2, ..TIMES });
    let moved = fleet.migrate(Arc::clone(&new)).unwrap();
    for user in 0..6_u32 {
        let own: Vec<Event> = users
            .iter()
            .zip(&events)
            .filter_map(|(other, event)| (*other == user).then_some(*event))
            .collect();
        let mut expected = Session::new(Arc::clone(&new));
        expected.set_log_capacity(usize::MAX);
        expected.extend(&own).unwrap();
        assert_eq!(moved.session(user).unwrap().snapshot(), expected.snapshot());
        assert!(fleet.log_times(user).unwrap().into_iter().eq(expected.log_times()));
        let old = fleet.session(user).unwrap().snapshot();
        let log: Vec<_> = own.into_iter().map(Some).collect();
        let session = Session::migrate(Arc::clone(&new), &old, &log).unwrap();
        assert_eq!(session.snapshot(), expected.snapshot());
    }
    let without = fleet.migrate(model(&Shape::TINY)).unwrap();
    assert!(without.log_times(3).unwrap().is_empty());
    let error = without.migrate(new).unwrap_err();
    assert_says(&error, ErrorKind::Time, "time of the event: found none");
}
