//! Results are bit-identical for any number of threads.

#![cfg(feature = "threads")]

mod common;

use std::sync::Arc;

use common::{F16, F32, I8, ModelFile, Rng, Shape, brute_force, everything, session};
use recgrela::{Filter, Fleet, Groups, ItemId, Model, Quota, Session, TopK};

const ITEMS: usize = 120_000;

fn large(table: &'static str) -> Arc<Model> {
    let shape = Shape { items: ITEMS, table, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let ids: Vec<_> = (0..ITEMS).map(|item| item.to_string()).collect();
    file.put_ids(&ids, false);
    Arc::new(Model::from_bytes(file.to_bytes()).unwrap())
}

fn bits(ranking: &TopK) -> Vec<(u32, u32)> {
    ranking.items().iter().map(|scored| (scored.item, scored.score.to_bits())).collect()
}

fn check(session: &Session, filter: &Filter<'_>, rankings: &mut [TopK]) {
    for k in [1, 10, 1000] {
        let answers = rankings.iter_mut().map(|ranking| {
            session.top_k_into(k, filter, ranking).unwrap();
            bits(ranking)
        });
        let answers: Vec<_> = answers.collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "k {k}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let mut rankings = [0, 1, 2, 3, 7, usize::MAX].map(|count| TopK::new().with_threads(count));
    for table in [F32, F16, I8] {
        let model = large(table);
        let rng = &mut Rng::new(5);
        let session = session(&model, 9, 2);
        for overlaid in [false, true] {
            if overlaid {
                let ids: Vec<_> = (0..400).map(|n| ItemId::Int(n * n * 700)).collect();
                let vectors: Vec<_> = (0..8 * ids.len()).map(|_| rng.unit()).collect();
                let retired = rng.items(1000, ITEMS);
                model.update_overlay(|overlay| overlay.add(&ids, &vectors)).unwrap();
                model.update_overlay(|overlay| overlay.retire(&retired)).unwrap();
            }
            let deny = rng.items(2000, ITEMS);
            let allow: Vec<_> = (0..ITEMS as u32).filter(|item| item % 7 != 0).collect();
            let tail = &allow[..100_001];
            for allow in [None, Some(&allow[..]), Some(tail), Some(&deny[..])] {
                let mut filter = Filter::unseen().deny(&deny[..500]);
                filter.allow = allow;
                check(&session, &filter, &mut rankings);
            }
            for count in [1, 3, 500, ITEMS] {
                let groups: Vec<_> = (0..ITEMS).map(|_| rng.below(count) as i64).collect();
                let grouped = Groups::new(&model, &groups).unwrap();
                for limit in [1, 4] {
                    let quota = Quota { groups: &grouped, limit };
                    check(&session, &Filter::unseen().quota(quota), &mut rankings);
                    let filter = Filter::default().quota(quota).deny(&deny[..50]);
                    let items: Vec<_> = (0..model.catalog().len() as u32)
                        .filter(|&item| !model.catalog().is_retired(item))
                        .collect();
                    session.top_k_into(50, &filter, &mut rankings[3]).unwrap();
                    let walked = brute_force(&session, &items, 50, &filter, Some((&groups, limit)));
                    assert_eq!(rankings[3].items(), walked);
                }
            }
        }
    }
}

/// All items tie, so the order is that of the indices.
#[test]
fn ties_across_shards() {
    let shape = Shape { items: ITEMS, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    file.put_ids(&(0..ITEMS).map(|item| item.to_string()).collect::<Vec<_>>(), false);
    file.put_f32("catalog.table", &[ITEMS / 32, 8, 32], &vec![0.25; ITEMS * 8]);
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let session = session(&model, 2, 2);
    let mut ranking = TopK::new().with_threads(5);
    session.top_k_into(40, &Filter::default(), &mut ranking).unwrap();
    assert!(ranking.items().iter().map(|scored| scored.item).eq(0..40));
    let groups: Vec<_> = (0..ITEMS as i64).map(|item| item / 50_000).collect();
    let groups = Groups::new(&model, &groups).unwrap();
    let quota = Quota { groups: &groups, limit: 3 };
    session.top_k_into(40, &Filter::default().quota(quota), &mut ranking).unwrap();
    let expected = [0, 1, 2, 50_000, 50_001, 50_002, 100_000, 100_001, 100_002];
    assert!(ranking.items().iter().map(|scored| scored.item).eq(expected));
}

const USERS: usize = 900;

/// A fleet whose calls have few users and many, near each other and far apart, once and repeatedly.
fn shared(model: &Arc<Model>, threads: usize) -> Fleet {
    let mut fleet = Fleet::new(Arc::clone(model));
    fleet.set_threads(threads);
    let (rng, items) = (&mut Rng::new(4), model.num_items());
    let everyone: Vec<_> = (0..USERS as u32).collect();
    fleet.append(&everyone, &rng.items(USERS, items)).unwrap();
    for (count, users) in [(32, USERS), (33, USERS), (47, 2), (700, 40), (2500, USERS)] {
        fleet.append(&rng.items(count, users), &rng.items(count, items)).unwrap();
    }
    fleet
}

#[test]
fn a_fleet_has_the_same_times_and_kinds_for_any_number_of_threads() {
    let shape = Shape { kinds: 3, gaps: true, ..Shape::BASE };
    let model = common::model(&shape);
    let histories = [1, 2, 7].map(|threads| {
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.set_threads(threads);
        fleet.set_log_capacity(9);
        let rng = &mut Rng::new(6);
        for _ in 0..2 {
            let users = rng.items(2000, USERS);
            fleet.append(&users, &rng.events(2000, &shape)).unwrap();
        }
        everything(&fleet)
    });
    assert!(histories.iter().all(|history| *history == histories[0]));
}

#[test]
fn a_fleet_has_the_same_histories_for_any_number_of_threads() {
    let quantised = Shape { table: I8, matrices: I8, ..Shape::BASE };
    for shape in [Shape::BASE, Shape::TINY, quantised] {
        let model = common::model(&shape);
        let expected = everything(&shared(&model, 1));
        for threads in [0, 2, 3, 7, usize::MAX] {
            assert!(everything(&shared(&model, threads)) == expected, "{threads}, {shape:?}");
        }
    }
}

#[test]
fn a_fleet_has_the_same_rankings_for_any_number_of_threads() {
    for table in [F32, I8] {
        let model = common::model(&Shape { table, ..Shape::BASE });
        let mut fleet = shared(&model, 1);
        let rng = &mut Rng::new(8);
        let groups: Vec<_> = (0..model.num_items()).map(|_| rng.below(6) as i64).collect();
        let groups = Groups::new(&model, &groups).unwrap();
        let quota = Quota { groups: &groups, limit: 2 };
        for count in [1, 32, 33, 64, 65, 500] {
            let users = rng.items(count, USERS);
            for filter in [Filter::unseen(), Filter::unseen().quota(quota)] {
                fleet.set_threads(1);
                let expected = fleet.top_k(&users, 10, &filter).unwrap();
                for threads in [0, 2, 3, 7, usize::MAX] {
                    fleet.set_threads(threads);
                    assert_eq!(fleet.top_k(&users, 10, &filter).unwrap(), expected, "{threads}");
                }
            }
        }
    }
}

#[test]
fn a_migrated_fleet_is_that_of_one_thread() {
    let model = common::model(&Shape::BASE);
    let [one, many] = [1, 5].map(|threads| {
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.set_threads(threads);
        fleet.set_log_capacity(100);
        let rng = &mut Rng::new(3);
        fleet.append(&rng.items(3000, 80), &rng.items(3000, 100)).unwrap();
        everything(&fleet.migrate(Arc::clone(&model)).unwrap())
    });
    assert_eq!(one, many);
}
