//! Sessions: errors, counters, and calls that change nothing.

mod common;

use common::{
    Rng, SHAPES, Shape, assert_says, bits, catalogue, model, models, session, with_events,
};
use recgrela::{ErrorKind, Filter, Model, Session, Snapshot, TopK};

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
        assert_says(&error, ErrorKind::NoEvents, "the session has no events");
        assert!(error.to_string().contains("append"));
    }
}

#[test]
fn unknown_items_change_nothing() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 5, 1);
    let before = session.snapshot();
    let error = session.append(33).unwrap_err();
    assert_says(&error, ErrorKind::Item, "found 33, expected less than 33");
    assert!(session.extend(&[1, 2, u32::MAX]).is_err());
    assert!(session.score(&[1, 33]).is_err());
    let filters = [Filter::default().allow(&[33]), Filter::default().deny(&[0, 33])];
    assert!(filters.iter().all(|filter| session.top_k(3, filter).is_err()));
    let error = session.score_into(&[1, 2], &mut [0.0]).unwrap_err();
    assert_says(&error, ErrorKind::Argument, "buffer of scores: found length 1, expected 2");
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
fn debug_shows_counts_and_no_items() {
    let mut session = Session::new(model(&Shape::BASE));
    session.set_undo_depth(2).unwrap();
    session.set_log_capacity(4);
    session.extend(&[73, 71, 73, 79, 71]).unwrap();
    let shown = format!("{session:?}");
    assert_eq!(shown, "Session(5 events, 3 distinct, 4 in the log, 2 undoable)");
    let blob = session.snapshot();
    let shown = format!("{:?}", Snapshot::from_bytes(&blob).unwrap());
    assert_eq!(shown, "Snapshot(5 events, 3 distinct, 4 in the log)");
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
#[cfg(not(target_family = "wasm"))] // has no threads
fn sessions_move_between_threads() {
    let model = model(&Shape::BASE);
    let expected = scores(&session(&model, 20, 1));
    let work = || {
        std::thread::spawn({
            let model = std::sync::Arc::clone(&model);
            move || scores(&session(&model, 20, 1))
        })
    };
    for thread in [work(), work()] {
        assert_eq!(thread.join().unwrap(), expected);
    }
}

#[test]
fn step_is_append_and_top_k() {
    for model in models(&Shape::TINY) {
        let (mut one, mut two) = (session(&model, 3, 1), session(&model, 3, 1));
        let (mut ranking, filter) = (TopK::new(), Filter::unseen().deny(&[0]));
        for item in Rng::new(2).items(7, Shape::TINY.items) {
            one.step(item, 5, &filter, &mut ranking).unwrap();
            two.append(item).unwrap();
            assert_eq!(ranking.items(), two.top_k(5, &filter).unwrap());
        }
        assert_eq!(one.snapshot(), two.snapshot());
    }
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let mut session = session(&model(&Shape::TINY), 3, 1);
    let (before, mut ranking) = (session.snapshot(), TopK::new());
    session.top_k_into(5, &Filter::unseen(), &mut ranking).unwrap();
    let best = ranking.items().to_vec();
    for (item, filter) in [(33, Filter::unseen()), (4, Filter::default().deny(&[33]))] {
        let error = session.step(item, 2, &filter, &mut ranking).unwrap_err();
        assert_says(&error, ErrorKind::Item, "found 33");
    }
    assert_eq!(session.snapshot(), before);
    assert_eq!(ranking.items(), best);
}

#[test]
fn peek_is_a_copy_that_went_on() {
    for shape in &SHAPES {
        for model in models(shape) {
            let session = session(&model, 20, 1);
            let before = session.snapshot();
            for (count, filter) in
                [(0, Filter::default()), (1, Filter::unseen()), (7, Filter::unseen().deny(&[0]))]
            {
                let items = Rng::new(2).items(count, shape.items);
                let mut copy = session.clone();
                copy.extend(&items).unwrap();
                let expected = copy.top_k(9, &filter).unwrap();
                assert_eq!(session.peek(&items, 9, &filter).unwrap(), expected, "{shape:?}");
            }
            assert_eq!(session.snapshot(), before);
        }
    }
}

#[test]
fn peek_refuses_what_append_and_top_k_refuse() {
    let model = model(&Shape::TINY);
    let empty = Session::new(model.clone());
    let error = empty.peek(&[0; 0], 3, &Filter::default()).unwrap_err();
    assert_says(&error, ErrorKind::NoEvents, "the session has no events");
    assert_eq!(empty.peek(&[4], 3, &Filter::default()).unwrap().len(), 3);
    let error = empty.peek(&[4, 33], 3, &Filter::default()).unwrap_err();
    assert_says(&error, ErrorKind::Item, "found 33");
    let filter = Filter::default().deny(&[33]);
    assert!(empty.peek(&[4], 3, &filter).is_err());
}

#[test]
fn the_event_count_stops_at_its_end() {
    for shape in [
        Shape { conv: false, ..Shape::BASE },
        Shape { conv: false, positions: "learned", ..Shape::BASE },
        Shape { conv: false, positions: "none", ..Shape::BASE },
    ] {
        for model in models(&shape) {
            let near = session(&model, 40, 4);
            let mut far = Session::new(model.clone());
            far.set_undo_depth(3).unwrap();
            far.restore(&with_events(&near.snapshot(), u64::MAX - 2)).unwrap();
            for events in [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX] {
                far.append(5).unwrap();
                assert_eq!(far.events(), events);
                let finite = |score: &f32| score.is_finite();
                assert!(far.score(&catalogue(&model)).unwrap().iter().all(finite));
            }
            far.undo(3).unwrap();
            assert_eq!(far.events(), u64::MAX - 1);
            // Only rotation distinguishes this from the 41st event. Learned positions end at the
            // 7th.
            let mut near = near;
            near.append(5).unwrap();
            let same = near.user_vector().unwrap() == far.user_vector().unwrap();
            assert_eq!(same, shape.positions != "rotary");
        }
    }
}

#[test]
fn model_and_session_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Model>();
    check::<Session>();
}
