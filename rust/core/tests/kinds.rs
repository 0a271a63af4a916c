//! Events with kinds: their arithmetic, and every operation on a history of them.

mod common;

use std::sync::Arc;

use common::{
    FORMAT_2, KINDS, ModelFile, Reference, Rng, Shape, assert_says, bits, catalogue, everything,
    model, models,
};
use recgrela::{ErrorKind, Event, Filter, Fleet, Kind, Model, Overlay, Session};

fn shapes() -> impl Iterator<Item = &'static Shape> {
    FORMAT_2.iter().filter(|shape| shape.kinds > 0)
}

fn scores(session: &Session) -> Vec<u32> {
    bits(&session.score(&catalogue(session.model())).unwrap())
}

/// A session with these events, that keeps all of them in its log.
fn session_of(model: &Arc<Model>, events: &[Event]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.set_log_capacity(usize::MAX);
    session.extend(events).unwrap();
    session
}

#[test]
fn scores_are_those_of_the_reference() {
    for shape in shapes() {
        let file = ModelFile::random(shape);
        let reference = Reference::new(&file, shape);
        for model in models(shape) {
            let (mut state, mut session) = (reference.start(), Session::new(Arc::clone(&model)));
            for event in Rng::new(1).events(60, shape) {
                state.append(event);
                session.append(event).unwrap();
                let expected: Vec<_> =
                    catalogue(&model).iter().map(|&item| state.score(item)).collect();
                let largest = expected.iter().fold(0.0_f64, |x, y| x.max(y.abs()));
                let found = session.score(&catalogue(&model)).unwrap();
                for (&found, expected) in found.iter().zip(expected) {
                    assert!((f64::from(found) - expected).abs() < 3e-5 * largest, "{shape:?}");
                }
            }
        }
    }
}

#[test]
fn every_kind_makes_a_difference() {
    for shape in shapes() {
        let model = model(shape);
        let mut event = Rng::new(1).events(1, shape)[0];
        let mut all = Vec::new();
        for kind in 0..shape.kinds as u8 {
            event.kind = Some(Kind::new(kind));
            all.push(scores(&session_of(&model, &[event])));
        }
        all.dedup();
        assert_eq!(all.len(), shape.kinds);
    }
}

#[test]
fn instruction_sets_give_the_same_bits() {
    for shape in shapes() {
        let events = Rng::new(2).events(100, shape);
        let taken = models(shape).into_iter().map(|model| {
            let session = session_of(&model, &events);
            let best = session.top_k(9, &Filter::unseen()).unwrap();
            (scores(&session), best, session.snapshot())
        });
        let taken: Vec<_> = taken.collect();
        assert!(taken.iter().all(|outcome| *outcome == taken[0]), "{shape:?}");
    }
}

#[test]
fn a_kind_that_is_missing_or_unknown_changes_nothing() {
    let model = model(&Shape { kinds: 4, ..Shape::TINY });
    let mut session =
        session_of(&model, &Rng::new(1).events(5, &Shape { kinds: 4, ..Shape::TINY }));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.set("ann", &session).unwrap();
    let before = (session.snapshot(), everything(&fleet));
    let known = "`view`, `Kauf 電影`, `skip`, `c\\u{7f}`";
    let good = Event::from((1, Kind::new(3)));
    let missing = format!("kind of event: found none, expected one of {known}: pass the kind of");
    let unknown = format!("kind of event: found index 4, expected one of {known}");
    for (bad, named) in [(Event::from(2), missing), ((2, Kind::new(4)).into(), unknown)] {
        let refused = [
            session.append(bad).unwrap_err(),
            session.extend(&[good, bad, good]).unwrap_err(),
            session.peek(&[good, bad], 3, &Filter::unseen()).unwrap_err(),
            fleet.append(&["bob", "ann"], &[good, bad]).unwrap_err(),
            Session::migrate(Arc::clone(&model), &with_events(2), &[Some(good), Some(bad)])
                .unwrap_err(),
        ];
        refused.iter().for_each(|error| assert_says(error, ErrorKind::Kind, &named));
    }
    assert_eq!((session.snapshot(), everything(&fleet)), before);
    let named = format!("kind of event: found `Buy\\n`, expected one of {known}");
    assert_says(&model.kind("Buy\n").unwrap_err(), ErrorKind::Kind, &named);
    assert_says(&session.append((33, Kind::new(0))).unwrap_err(), ErrorKind::Item, "33");
}

/// A snapshot of a model without kinds, with two events of two items.
fn with_events(count: u32) -> Vec<u8> {
    let mut session = Session::new(model(&Shape::TINY));
    session.extend(&(0..count).collect::<Vec<_>>()).unwrap();
    session.snapshot()
}

#[test]
fn a_model_without_kinds_refuses_one() {
    let model = model(&Shape::TINY);
    let mut session = Session::new(Arc::clone(&model));
    let mut fleet = Fleet::new(Arc::clone(&model));
    let refused = [
        session.append((1, Kind::new(0))).unwrap_err(),
        session.peek(&[(1, Kind::new(0))], 3, &Filter::unseen()).unwrap_err(),
        fleet.append(&[1], &[(1, Kind::new(0))]).unwrap_err(),
        model.kind("view").unwrap_err(),
    ];
    for error in refused {
        assert_says(&error, ErrorKind::Kind, "expected none: this model has no kinds");
    }
    assert!(session.events() == 0 && fleet.is_empty());
}

#[test]
fn undo_takes_kinds_back_too() {
    for shape in shapes() {
        let (model, events) = (model(shape), Rng::new(3).events(30, shape));
        for capacity in [0, 4, usize::MAX] {
            let mut session = Session::new(Arc::clone(&model));
            session.set_log_capacity(capacity);
            session.set_undo_depth(6).unwrap();
            let mut before = Vec::new();
            for &event in &events {
                before.push(session.snapshot());
                session.append(event).unwrap();
            }
            for back in [1, 3, 2] {
                session.undo(back).unwrap();
                before.truncate(session.events() as usize + 1);
                assert_eq!(session.snapshot(), before[session.events() as usize]);
            }
        }
    }
}

#[test]
fn forgetting_replays_the_kinds() {
    for shape in shapes() {
        let (model, events) = (model(shape), Rng::new(4).events(40, shape));
        let forgotten = [events[0].item, events[17].item];
        let kept = events.iter().filter(|event| !forgotten.contains(&event.item)).copied();
        let never = session_of(&model, &kept.collect::<Vec<_>>());
        let mut session = session_of(&model, &events);
        assert!(session.log().eq(events.iter().map(|event| event.item)));
        assert!(session.log_kinds().map(Some).eq(events.iter().map(|event| event.kind)));
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.set_log_capacity(usize::MAX);
        fleet.append(&[7; 40], &events).unwrap();
        session.forget(&forgotten).unwrap();
        fleet.forget(7, &forgotten).unwrap();
        assert_eq!(session.snapshot(), never.snapshot());
        assert_eq!(fleet.session(7).unwrap().snapshot(), never.snapshot());
        assert!(fleet.log_kinds(7).unwrap().into_iter().eq(never.log_kinds()));
        assert!(fleet.log_kinds(8).unwrap().is_empty());
    }
}

#[test]
fn a_log_keeps_the_last_kinds() {
    let shape = Shape { kinds: 4, ..Shape::TINY };
    let (model, events) = (model(&shape), Rng::new(5).events(9, &shape));
    let mut session = Session::new(model);
    session.set_log_capacity(6);
    session.extend(&events).unwrap();
    let last = |count: usize| events[9 - count..].iter().map(|event| event.kind);
    assert!(session.log_kinds().map(Some).eq(last(6)));
    session.set_log_capacity(2);
    assert!(session.log_kinds().map(Some).eq(last(2)));
    session.reset();
    assert_eq!((session.log().len(), session.log_kinds().len()), (0, 0));
}

#[test]
fn peek_is_a_clone_that_went_on() {
    for shape in shapes() {
        let (model, events) = (model(shape), Rng::new(6).events(12, shape));
        let session = session_of(&model, &events[..8]);
        let ahead = session_of(&model, &events);
        let peeked = session.peek(&events[8..], 7, &Filter::unseen()).unwrap();
        assert_eq!(peeked, ahead.top_k(7, &Filter::unseen()).unwrap());
    }
}

#[test]
fn a_fleet_has_the_bits_of_sessions() {
    for shape in shapes() {
        let (model, rng) = (model(shape), &mut Rng::new(7));
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.set_log_capacity(3);
        let mut sessions: Vec<_> = (0..40).map(|_| Session::new(Arc::clone(&model))).collect();
        sessions.iter_mut().for_each(|session| session.set_log_capacity(3));
        for count in [1, 70, 200] {
            let (users, events) = (rng.items(count, 40), rng.events(count, shape));
            fleet.append(&users, &events).unwrap();
            for (&user, &event) in users.iter().zip(&events) {
                sessions[user as usize].append(event).unwrap();
            }
        }
        for (user, session) in (0..40_u32).zip(&sessions) {
            assert_eq!(fleet.session(user).unwrap().snapshot(), session.snapshot(), "{shape:?}");
        }
    }
}

/// An item of an overlay is the network's input like any other.
#[test]
fn kinds_are_added_to_vectors_of_an_overlay() {
    let shape = Shape { kinds: 2, ..Shape::TINY };
    let file = ModelFile::random(&shape);
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    // Item 3's own vector, so that an event of the copy has the bits of an event of item 3.
    let vector: Vec<f32> = {
        let numbers = file.numbers("catalog.table");
        (0..8).map(|i| numbers[i * 32 + 3] as f32).collect()
    };
    let mut overlay = Overlay::new(&model);
    let copy = overlay.add(&[9001.into()], &vector).unwrap()[0];
    model.set_overlay(overlay).unwrap();
    for kind in [0, 1].map(Kind::new) {
        let [found, expected] =
            [copy, 3].map(|item| session_of(&model, &[(item, kind).into(), (4, kind).into()]));
        assert_eq!(scores(&found), scores(&expected));
    }
}

#[test]
fn migration_translates_kinds_by_name() {
    let old = Shape { kinds: 3, ..Shape::TINY };
    let events = Rng::new(8).events(50, &old);
    let users = Rng::new(9).items(50, 6);
    let mut fleet = Fleet::new(model(&old));
    fleet.set_log_capacity(usize::MAX);
    fleet.append(&users, &events).unwrap();

    // The same kinds in another order, and one more.
    let mut file = ModelFile::random(&Shape { kinds: 4, layers: 2, ..Shape::TINY });
    let [view, buy, skip, more] = KINDS;
    let names = serde_json::to_string(&[more, skip, buy, view]).unwrap();
    file.config = file.config.replace(&serde_json::to_string(&KINDS).unwrap(), &names);
    let new = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    assert_eq!(new.kind(view).unwrap(), Kind::new(3));
    let moved = fleet.migrate(Arc::clone(&new)).unwrap();
    for user in 0..6_u32 {
        let own = users.iter().zip(&events).filter(|(other, _)| **other == user);
        let own: Vec<Event> = own
            .map(|(_, event)| (event.item, Kind::new(3 - event.kind.unwrap().index())).into())
            .collect();
        assert_eq!(moved.session(user).unwrap().snapshot(), session_of(&new, &own).snapshot());
        let old = fleet.session(user).unwrap().snapshot();
        let log: Vec<_> = own.iter().copied().map(Some).collect();
        let session = Session::migrate(Arc::clone(&new), &old, &log).unwrap();
        assert_eq!(session.snapshot(), moved.session(user).unwrap().snapshot());
    }

    let without = fleet.migrate(model(&Shape::TINY)).unwrap();
    assert_eq!(without.log(3).unwrap(), fleet.log(3).unwrap());
    assert!(without.log_kinds(3).unwrap().is_empty());
    let error = without.migrate(Arc::clone(&new)).unwrap_err();
    assert_says(&error, ErrorKind::Kind, "found none, expected one of");
    let error = fleet.migrate(model(&Shape { kinds: 2, ..Shape::TINY })).unwrap_err();
    assert_says(&error, ErrorKind::Kind, "found `skip`, expected one of `view`, `Kauf 電影`");
}
