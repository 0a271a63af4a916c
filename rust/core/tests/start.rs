//! The start vector: it answers for sessions and fleet users without events.

mod common;

use std::sync::Arc;

use common::{
    FORMAT_2, ModelFile, Reference, Rng, Shape, assert_says, bits, brute_force, catalogue, models,
};
use recgrela::{
    ErrorKind, Event, Filter, Fleet, FleetFilter, Groups, Model, Overlay, Quota, Session, TopK,
};

fn shapes() -> impl Iterator<Item = &'static Shape> {
    FORMAT_2.iter().filter(|shape| shape.start)
}

const TINY: Shape = Shape { start: true, ..Shape::TINY };

#[test]
fn an_empty_session_scores_the_start_vector() {
    for shape in shapes() {
        let file = ModelFile::random(shape);
        let reference = Reference::new(&file, shape);
        let all = models(shape).into_iter().map(|model| {
            let session = Session::new(Arc::clone(&model));
            let start = session.user_vector().unwrap();
            assert!(start.iter().map(|&x| f64::from(x)).eq(file.numbers("start")));
            let (items, state) = (catalogue(&model), reference.start());
            let scores = session.score(&items).unwrap();
            let largest = scores.iter().fold(0.0_f32, |x, y| x.max(y.abs()));
            for (&item, &score) in items.iter().zip(&scores) {
                assert!((score - state.score(item) as f32).abs() < 1e-6 * largest, "{shape:?}");
            }
            bits(&scores)
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|scores| *scores == all[0]), "{shape:?}");
    }
}

#[test]
fn filters_and_quotas_apply() {
    for shape in shapes() {
        let rng = &mut Rng::new(1);
        let few = rng.items(20, shape.items);
        let numbers: Vec<_> = (0..shape.items as i64).map(|item| item % 5).collect();
        for model in models(shape) {
            let session = Session::new(Arc::clone(&model));
            let (items, groups) = (catalogue(&model), Groups::new(&model, &numbers).unwrap());
            let fleet = Fleet::new(Arc::clone(&model));
            for (filter, limit) in [
                (Filter::default(), None),
                (Filter::unseen().deny(&few), None),
                (Filter::unseen().allow(&few).deny(&few[..5]), None),
                (Filter::unseen().quota(Quota { groups: &groups, limit: 2 }), Some(2)),
            ] {
                for k in [1, 10, usize::MAX] {
                    let best = session.top_k(k, &filter).unwrap();
                    let quota = limit.map(|limit| (&numbers[..], limit));
                    assert_eq!(best, brute_force(&session, &items, k, &filter, quota));
                    assert_eq!(fleet.top_k(&[3, 4], k, &filter).unwrap(), [best.clone(), best]);
                }
            }
        }
    }
}

#[test]
fn undo_and_reset_come_back_to_it() {
    for shape in shapes() {
        let model = common::model(shape);
        let mut session = Session::new(Arc::clone(&model));
        session.set_undo_depth(5).unwrap();
        session.set_log_capacity(9);
        let first = session.top_k(9, &Filter::unseen()).unwrap();
        let events = Rng::new(2).events(3, shape);
        let again = |session: &Session| {
            assert_eq!(session.events(), 0);
            assert_eq!(session.top_k(9, &Filter::unseen()).unwrap(), first);
        };
        session.extend(&events).unwrap();
        assert_ne!(session.top_k(9, &Filter::unseen()).unwrap(), first);
        session.undo(3).unwrap();
        again(&session);
        session.extend(&events).unwrap();
        session.forget(&items_of(&events)).unwrap();
        again(&session);
        session.extend(&events).unwrap();
        session.reset();
        again(&session);
        let mut restored = Session::new(model);
        restored.extend(&events).unwrap();
        restored.restore(&session.snapshot()).unwrap();
        again(&restored);
        assert_eq!(session.peek(&events[..0], 9, &Filter::unseen()).unwrap(), first);
    }
}

fn items_of(events: &[Event]) -> Vec<u32> {
    events.iter().map(|event| event.item).collect()
}

#[test]
fn users_without_events_are_answered_unless_skipped() {
    for shape in shapes() {
        let model = common::model(shape);
        let mut fleet = Fleet::new(Arc::clone(&model));
        let events = Rng::new(3).events(60, shape);
        fleet.append(&Rng::new(4).items(60, 30), &events).unwrap();
        let users: Vec<u32> = (0..70).map(|index| index * 7 % 40).collect();
        assert!(users.iter().any(|&user| !fleet.contains(user)));
        fleet.check_history(&users).unwrap();
        let deny: Vec<_> = users.iter().map(|&user| vec![user % 3, 5]).collect();
        for filter in [Filter::unseen(), Filter::default()] {
            let answers = fleet.top_k(&users, 6, &filter).unwrap();
            let each = FleetFilter::from(&filter).deny_each(&deny);
            let denied = fleet.top_k(&users, 6, each).unwrap();
            let skipped = FleetFilter::from(&filter).skip_without_history(true);
            let skipped = fleet.top_k(&users, 6, skipped).unwrap();
            for (index, &user) in users.iter().enumerate() {
                let session = fleet.session(user).unwrap();
                assert_eq!(answers[index], session.top_k(6, &filter).unwrap());
                let own = filter.deny(&deny[index]);
                assert_eq!(denied[index], session.top_k(6, &own).unwrap());
                let expected = if fleet.contains(user) { answers[index].clone() } else { vec![] };
                assert_eq!(skipped[index], expected);
            }
        }
        let session = Session::new(Arc::clone(&model));
        assert_eq!(fleet.score(39, &[3]).unwrap(), session.score(&[3]).unwrap());
        assert_eq!(fleet.user_vector(39).unwrap(), session.user_vector().unwrap());
        assert_eq!(fleet.events(39).unwrap(), 0, "asking adds no user");
    }
}

/// Rankings are reused: those of skipped users must not keep an earlier answer.
#[test]
fn reused_rankings_of_skipped_users_are_empty() {
    let fleet = Fleet::new(common::model(&TINY));
    let mut rankings: Vec<TopK> = Vec::new();
    fleet.top_k_into(&[1, 2], 3, &Filter::unseen(), &mut rankings).unwrap();
    assert!(rankings.iter().all(|ranking| ranking.items().len() == 3));
    let skip = FleetFilter::from(&Filter::unseen()).skip_without_history(true);
    fleet.top_k_into(&[1, 2], 3, skip, &mut rankings).unwrap();
    assert!(rankings.iter().all(|ranking| ranking.items().is_empty()));
}

#[test]
fn items_of_an_overlay_are_ranked_too() {
    let model = common::model(&TINY);
    let start = Session::new(Arc::clone(&model)).user_vector().unwrap().to_vec();
    let mut overlay = Overlay::new(&model);
    let large: Vec<f32> = start.iter().map(|x| 100.0 * x).collect();
    let item = overlay.add(&[9001.into()], &large).unwrap()[0];
    model.set_overlay(overlay).unwrap();
    let best = Session::new(Arc::clone(&model)).top_k(1, &Filter::unseen()).unwrap();
    assert_eq!(best[0].item, item);
    // The self-test ignores it.
    model.verify().unwrap();
}

#[test]
fn without_it_the_error_says_what_to_do() {
    let model: Arc<Model> = common::model(&Shape { kinds: 2, ..Shape::TINY });
    let session = Session::new(Arc::clone(&model));
    let fleet = Fleet::new(model);
    for error in [
        session.score(&[0]).unwrap_err(),
        session.top_k(3, &Filter::unseen()).unwrap_err(),
        fleet.top_k(&[3], 3, &Filter::unseen()).unwrap_err(),
        fleet.score(3, &[0]).unwrap_err(),
    ] {
        assert_says(&error, ErrorKind::NoEvents, "no events: append at least one item");
        assert_says(&error, ErrorKind::NoEvents, "the model has no start vector; train it again");
    }
}
