//! Fleets: bit identity with single sessions for any batches of users, and errors.

mod common;

use std::sync::Arc;

use common::{
    ModelFile, Rng, SHAPES, Shape, assert_says, bits, everything, filled, model, models, user,
};
use recgrela::{
    ErrorKind, Filter, Fleet, FleetFilter, Groups, ItemId, Model, Quota, Session, TopK, UserId,
};

/// The same number of sessions, appended to one at a time.
struct Singles(Vec<Session>);

impl Singles {
    fn new(model: &Arc<Model>, users: u32) -> Self {
        Self((0..users).map(|_| Session::new(Arc::clone(model))).collect())
    }

    fn append(&mut self, users: &[u32], items: &[u32]) {
        for (&user, &item) in users.iter().zip(items) {
            self.0[user as usize].append(item).unwrap();
        }
    }
}

fn fleet(model: &Arc<Model>) -> Fleet {
    Fleet::new(Arc::clone(model))
}

#[test]
fn batches_have_the_bits_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(11);
            let (mut fleet, mut singles) = (fleet(&model), Singles::new(&model, 40));
            // All kinds of tiles: none, one, odd, several; users once and many times.
            for count in [0, 1, 2, 7, 33, 100] {
                let users = rng.items(count, 40);
                let items = rng.items(count, shape.items);
                fleet.append(&users, &items).unwrap();
                singles.append(&users, &items);
            }
            let (everyone, items) = ((0..40).collect::<Vec<u32>>(), rng.items(40, shape.items));
            fleet.append(&everyone, &items).unwrap();
            singles.append(&everyone, &items);
            for (user, session) in (0_u32..).zip(&singles.0) {
                let copy = fleet.session(user).unwrap();
                assert_eq!(copy.snapshot(), session.snapshot(), "user {user}, {shape:?}");
                let found = bits(fleet.user_vector(user).unwrap());
                assert_eq!(found, bits(session.user_vector().unwrap()));
                assert_eq!(fleet.seen(user).unwrap(), session.seen());
                assert_eq!(fleet.events(user).unwrap(), session.events());
                let scores = session.score(&items).unwrap();
                assert_eq!(bits(&fleet.score(user, &items).unwrap()), bits(&scores));
            }
        }
    }
}

#[test]
fn one_user_may_have_all_the_events() {
    for model in models(&Shape::BASE) {
        let rng = &mut Rng::new(2);
        let (mut fleet, mut singles) = (fleet(&model), Singles::new(&model, 3));
        let mut users = vec![1; 50];
        users.extend([0, 1, 2, 2, 1, 0]);
        let items = rng.items(users.len(), model.num_items());
        fleet.append(&users, &items).unwrap();
        singles.append(&users, &items);
        for index in 0..3 {
            assert_eq!(user(&fleet, index as u32), singles.0[index].snapshot());
        }
    }
}

#[test]
fn rankings_are_those_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(5);
            let mut fleet = fleet(&model);
            let all: Vec<u32> = (0..50).chain(rng.items(300, 50)).collect();
            fleet.append(&all, &rng.items(all.len(), shape.items)).unwrap();
            let sessions: Vec<_> = (0..50).map(|user| fleet.session(user).unwrap()).collect();
            let (few, many) = (rng.items(3, shape.items), rng.items(2 * shape.items, shape.items));
            let groups: Vec<_> = (0..shape.items).map(|_| rng.below(6) as i64).collect();
            let groups = Groups::new(&model, &groups).unwrap();
            let mut rankings = vec![TopK::new(); 3];
            for (count, k) in [(0, 5), (1, 10), (2, 0), (7, 1), (33, 10), (70, usize::MAX)] {
                let users = rng.items(count, 50);
                for (exclude_seen, limit) in [(false, None), (true, None), (true, Some(2))] {
                    let quota = limit.map(|limit| Quota { groups: &groups, limit });
                    for allow in [None, Some(&[][..]), Some(&few[..]), Some(&many[..])] {
                        for deny in [&[][..], &many[..shape.items / 2]] {
                            let mut filter =
                                Filter::default().exclude_seen(exclude_seen).deny(deny);
                            (filter.allow, filter.quota) = (allow, quota);
                            fleet.top_k_into(&users, k, &filter, &mut rankings).unwrap();
                            assert_eq!(rankings.len(), count);
                            for (&user, ranking) in users.iter().zip(&rankings) {
                                let expected = sessions[user as usize].top_k(k, &filter).unwrap();
                                assert_eq!(ranking.items(), expected, "k {k}, {filter:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn sessions_go_in_and_out() {
    let model = model(&Shape::BASE);
    let mut fleet = filled(&model, 9, 1);
    let session = common::session(&model, 20, 8);
    fleet.set(4, &session).unwrap();
    assert_eq!(user(&fleet, 4), session.snapshot());
    fleet.append(&[4], &[7]).unwrap();
    let mut longer = session.clone();
    longer.append(7).unwrap();
    assert_eq!(user(&fleet, 4), longer.snapshot());

    let neighbours = [user(&fleet, 3), user(&fleet, 5)];
    assert!(fleet.remove(4).unwrap());
    assert!(!fleet.remove(4).unwrap());
    assert_eq!(user(&fleet, 4), Session::new(Arc::clone(&model)).snapshot());
    assert_eq!([user(&fleet, 3), user(&fleet, 5)], neighbours);

    let other = common::model(&Shape { layers: 1, ..Shape::BASE });
    let error = fleet.set(5, &Session::new(other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
    assert_eq!(user(&fleet, 5), neighbours[1]);
}

/// A model file may be open twice, with an overlay on only one of the models.
#[test]
fn a_session_with_items_that_the_fleet_does_not_know_is_refused() {
    let (overlaid, bare) = (model(&Shape::TINY), model(&Shape::TINY));
    let add = |model: &Model, ids: &[i64]| {
        let ids: Vec<_> = ids.iter().map(|&id| ItemId::Int(id)).collect();
        model.update_overlay(|overlay| overlay.add(&ids, &vec![0.5; 8 * ids.len()])).unwrap();
    };
    add(&overlaid, &[7001, 7002]);
    let mut session = common::session(&overlaid, 5, 1);
    let mut fleet = filled(&bare, 3, 1);
    fleet.set(0, &session).expect("it has no added item yet");
    session.append(34).unwrap();
    let before = everything(&fleet);
    for (ids, found) in [(&[][..], 0), (&[7001], 1)] {
        add(&bare, ids);
        let error = fleet.set(0, &session).unwrap_err();
        assert_says(
            &error,
            ErrorKind::Overlay,
            &format!("found {found} in the active overlay, expected the 2"),
        );
        assert!(error.to_string().contains("expected the 2 of the history"), "{error}");
        assert_eq!(everything(&fleet), before);
    }
    add(&bare, &[7002]);
    fleet.set(0, &session).unwrap();
    assert_eq!(user(&fleet, 0), session.snapshot());
    let scores = fleet.score(0, &[34, 5]).unwrap();
    assert_eq!(bits(&scores), bits(&session.score(&[34, 5]).unwrap()));
}

/// Two models may state the same fingerprint, which only `verify` detects.
#[test]
fn a_borrowed_fingerprint_does_not_pass() {
    let mut file = ModelFile::random(&Shape { layers: 1, ..Shape::BASE });
    let model = model(&Shape::BASE);
    file.fingerprint = Some(model.fingerprint().to_string());
    let other = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let error = fleet(&model).set(0, &Session::new(other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
}

#[test]
fn errors_change_nothing() {
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model);
    fleet.append(&[0, 1, 3, 5, 5], &[1, 2, 3, 4, 5]).unwrap();
    let before = everything(&fleet);
    let (two, skipping) = ([vec![1], vec![33]], FleetFilter::default().skip_without_history(true));
    let refused = [
        fleet.append(&[0, 6], &[1, 33]).unwrap_err(),
        fleet.append(&[7, 8], &[1]).unwrap_err(),
        fleet.append(&[UserId::Int(9), UserId::Str("a\n")], &[1, 1]).unwrap_err(),
        fleet.top_k(&["a"], 3, skipping).unwrap_err(),
        fleet.top_k(&[0, 6], 3, &Filter::default()).unwrap_err(),
        fleet.top_k::<i64>(&[], 3, &Filter::default().deny(&[33])).unwrap_err(),
        fleet.top_k(&[5, 4, 2, 0, 4], 3, &Filter::default()).unwrap_err(),
        fleet.top_k(&[0], 3, FleetFilter::default().deny_each(&two)).unwrap_err(),
        fleet.top_k(&[0, 1], 3, FleetFilter::default().deny_each(&two)).unwrap_err(),
        fleet.check_history(&[2, 0]).unwrap_err(),
        fleet.score(2, &[1]).unwrap_err(),
        fleet.score(5, &[33]).unwrap_err(),
        fleet.user_vector(6).unwrap_err(),
        fleet.remove("b").unwrap_err(),
        fleet.events("b").unwrap_err(),
    ];
    let texts = refused.map(|error| error.to_string());
    let named = [
        "found 33, expected less than 33",
        "found 1, expected 2",
        r#"user id "a\n": found a string, expected an integer, as the other users have"#,
        "found a string",
        "user 6 has no events",
        "found 33",
        "users 2, 4 have no events",
        "found 2, expected 1, one per user",
        "found 33",
        "user 2 has no events",
        "user 2 has no events",
        "found 33",
        "user 6 has no events",
        "found a string",
        "found a string",
    ];
    for (text, named) in texts.iter().zip(named) {
        assert!(text.contains(named), "{text} does not have {named}");
    }
    assert_eq!(everything(&fleet), before);
}

#[test]
fn users_are_ids_of_one_kind() {
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model);
    let error = fleet.append(&[UserId::Str("a"), UserId::Int(1)], &[1, 1]).unwrap_err();
    assert_says(&error, ErrorKind::UserKind, "user id 1: found an integer, expected a string");
    assert!(fleet.is_empty());
    // Nothing was added, so the kind is still open.
    fleet.append(&[i64::MIN, -1, 7], &[1, 2, 3]).unwrap();
    assert_eq!(
        fleet.users().map(|id| id.to_string()).collect::<Vec<_>>(),
        [i64::MIN.to_string(), "-1".to_owned(), "7".to_owned()]
    );
    assert!(fleet.contains(-1) && !fleet.contains(0) && !fleet.contains("7"));
    assert_eq!((fleet.events(0).unwrap(), fleet.seen(0).unwrap()), (0, &[][..]));
    assert_eq!(user(&fleet, 0), Session::new(Arc::clone(&model)).snapshot());
    for id in [i64::MIN, -1, 7] {
        assert!(fleet.remove(id).unwrap());
    }
    fleet.append(&["a"], &[4]).expect_err("integers, also without users");
    let mut texts = Fleet::new(model);
    texts.append(&["", "Ünï"], &[4, 5]).unwrap();
    assert_eq!((texts.len(), texts.seen("Ünï").unwrap()), (2, &[5][..]));
}

/// A large call is processed in pieces.
#[test]
fn a_call_of_any_length_has_the_same_bits() {
    let model = model(&Shape::TINY);
    let rng = &mut Rng::new(12);
    let (users, items) = (rng.items(40_000, 60), rng.items(40_000, model.num_items()));
    let (mut at_once, mut in_parts) = (fleet(&model), fleet(&model));
    at_once.append(&users, &items).unwrap();
    for (users, items) in users.chunks(999).zip(items.chunks(999)) {
        in_parts.append(users, items).unwrap();
    }
    assert_eq!(everything(&at_once), everything(&in_parts));
}

/// The last user takes the slot of a removed one, across chunks.
#[test]
fn removing_users_leaves_the_others_as_they_were() {
    let model = model(&Shape::TINY);
    let users = 40_000; // more than two chunks
    let all: Vec<u32> = (0..users).collect();
    let rng = &mut Rng::new(7);
    let items = rng.items(all.len(), model.num_items());
    let mut fleet = fleet(&model);
    fleet.append(&all, &items).unwrap();
    fleet.append(&all, &items).unwrap();
    let removed = rng.items(30_000, users as usize);
    let mut left: std::collections::HashSet<u32> = all.iter().copied().collect();
    for &id in &removed {
        assert_eq!(fleet.remove(id).unwrap(), left.remove(&id));
    }
    assert_eq!(fleet.len(), left.len());
    let mut again = Fleet::new(Arc::clone(&model));
    again.append(&all, &items).unwrap();
    again.append(&all, &items).unwrap();
    for &id in left.iter().take(2000) {
        assert_eq!(user(&fleet, id), user(&again, id));
    }
    // A removed user starts anew.
    let returned = removed[0];
    fleet.append(&[returned], &[3]).unwrap();
    let mut alone = Session::new(model);
    alone.append(3).unwrap();
    assert_eq!(user(&fleet, returned), alone.snapshot());
}

#[test]
fn per_user_lists_and_users_without_history() {
    for model in models(&Shape::BASE) {
        let rng = &mut Rng::new(9);
        let mut fleet = fleet(&model);
        let users: Vec<u32> = (0..45).filter(|user| user % 4 != 1).collect();
        fleet.append(&users, &rng.items(users.len(), model.num_items())).unwrap();
        let asked = rng.items(70, 45);
        let deny: Vec<_> = asked.iter().map(|_| rng.items(20, model.num_items())).collect();
        let groups: Vec<_> = (0..model.num_items()).map(|_| rng.below(6) as i64).collect();
        let groups = Groups::new(&model, &groups).unwrap();
        let common = rng.items(9, model.num_items());
        for (exclude_seen, limit) in [(false, None), (true, None), (true, Some(1))] {
            let mut filter = Filter::default().exclude_seen(exclude_seen).deny(&common);
            filter.quota = limit.map(|limit| Quota { groups: &groups, limit });
            let each = FleetFilter::from(&filter).deny_each(&deny).skip_without_history(true);
            let found = fleet.top_k(&asked, 7, each).unwrap();
            for ((&user, own), found) in asked.iter().zip(&deny).zip(&found) {
                let all: Vec<_> = own.iter().chain(&common).copied().collect();
                let session = fleet.session(user).unwrap();
                let expected = session.top_k(7, &filter.deny(&all)).unwrap_or_default();
                assert_eq!(*found, expected, "user {user}");
                assert_eq!(found.is_empty(), user % 4 == 1);
            }
        }
    }
}

#[test]
fn of_many_users_without_events_the_first_are_named() {
    let fleet = fleet(&model(&Shape::TINY));
    let everyone: Vec<u32> = (0..100).collect();
    let error = fleet.top_k(&everyone, 1, &Filter::default()).unwrap_err();
    assert_says(&error, ErrorKind::NoEvents, "18, 19 and 80 more have no events");
}

#[test]
fn memory_is_that_of_the_users() {
    let model = model(&Shape { layers: 4, ..Shape::BASE });
    let mut fleet = fleet(&model);
    fleet.reserve(10).unwrap();
    assert_eq!(fleet.state_bytes(), 0);
    fleet.append(&[3, 3], &[1, 1]).unwrap();
    // 20 KiB of state, 256 bytes of hidden vector, one item.
    assert_eq!(fleet.state_bytes(), 20_480 + 256 + 4);
    let error = fleet.reserve(usize::MAX).unwrap_err();
    assert_says(&error, ErrorKind::OutOfMemory, "cannot allocate memory for");
    assert_eq!(fleet.len(), 1);
}

#[test]
fn fleets_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Fleet>();
}
