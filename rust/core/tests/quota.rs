//! Quotas: the scan compared with a walk over all items by rank.

mod common;

use std::sync::Arc;

use common::{
    ModelFile, Rng, SHAPES, Shape, assert_says, brute_force, catalogue, model, models, session,
    with_ties,
};
use recgrela::{ErrorKind, Filter, Groups, Isa, Model, ModelOptions, Quota, Session, TopK};

/// Groupings: one group, a few, two of which one is rare, many, and one per item.
fn groupings(num_items: usize, rng: &mut Rng) -> Vec<Vec<i64>> {
    let mut random = |groups: usize| {
        (0..num_items).map(|_| rng.below(groups) as i64 * 1_000_000_007 - 3).collect::<Vec<_>>()
    };
    let mut groupings = vec![random(1), random(3), random(20), random(num_items)];
    groupings.push((0..num_items as i64).map(|item| i64::MIN + item % 10 / 9).collect());
    groupings.push((0..num_items as i64).map(|item| i64::MAX - item).collect());
    groupings
}

/// Compares every k, limit and filter on one session.
fn check(session: &Session, groups: &[i64], rng: &mut Rng, ranking: &mut TopK) {
    let model = session.model();
    let (items, grouped) = (catalogue(model), Groups::new(model, groups).unwrap());
    let few = rng.items(3, items.len());
    let many = rng.items(items.len(), items.len());
    for k in [1, 10, 33, 70, usize::MAX] {
        for limit in [1, 2, 3, 10, usize::MAX] {
            for (exclude_seen, allow, deny) in
                [(false, None, &[][..]), (true, None, &few), (false, Some(&many[..]), &few)]
            {
                let quota = Quota { groups: &grouped, limit };
                let mut filter =
                    Filter::default().exclude_seen(exclude_seen).deny(deny).quota(quota);
                filter.allow = allow;
                session.top_k_into(k, &filter, ranking).unwrap();
                let expected = brute_force(session, &items, k, &filter, Some((groups, limit)));
                assert_eq!(ranking.items(), expected, "k {k}, limit {limit}, {:?}", &groups[..1]);
            }
        }
    }
}

#[test]
fn every_quota_gives_what_walking_gives() {
    let ranking = &mut TopK::new();
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(9);
            for groups in groupings(shape.items, rng) {
                check(&session(&model, 15, 7), &groups, rng, ranking);
            }
        }
    }
}

#[test]
fn equal_scores_and_quotas() {
    let bytes = with_ties().to_bytes();
    for isa in Isa::available() {
        let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
        let rng = &mut Rng::new(10);
        for groups in groupings(model.num_items(), rng) {
            check(&session(&model, 6, 3), &groups, rng, &mut TopK::new());
        }
    }
}

/// More items than collected candidates, in the worst order for collecting, which is ascending.
#[test]
fn candidates_are_cut_many_times() {
    let shape = Shape { items: 3000, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let value = |index: usize| (index / 256 * 32 + index % 32) as f32 / 3000.0;
    let real = |index: usize| if index / 256 * 32 + index % 32 < 3000 { value(index) } else { 0.0 };
    let table: Vec<_> = (0..94 * 256).map(real).collect();
    file.put_f32("catalog.table", &[94, 8, 32], &table);
    file.put_f32("final_norm.weight", &[8], &[0.0; 8]);
    for bias in [1.0, -1.0] {
        file.put_f32("final_norm.bias", &[8], &[bias; 8]);
        let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        let rng = &mut Rng::new(11);
        for groups in groupings(3000, rng) {
            check(&session(&model, 1, 3), &groups, rng, &mut TopK::new());
        }
    }
}

#[test]
fn a_limit_of_zero_returns_nothing() {
    let model = model(&Shape::TINY);
    let groups = Groups::new(&model, &[0; 33]).unwrap();
    let filter = Filter::default().quota(Quota { groups: &groups, limit: 0 });
    assert!(session(&model, 3, 1).top_k(5, &filter).unwrap().is_empty());
}

#[test]
fn groups_are_one_number_an_item_of_the_model() {
    let tiny = model(&Shape::TINY);
    for length in [0, 32, 34] {
        let error = Groups::new(&tiny, &vec![1_i32; length]).unwrap_err();
        assert_says(&error, ErrorKind::Argument, &format!("groups: found {length} numbers"));
        assert!(error.to_string().contains(&format!("found {length} numbers, expected 33, one")));
    }
    let groups = Groups::new(&tiny, &[[5_i32, -5, 5]; 11].concat()).unwrap();
    assert_eq!(groups.count(), 2);

    let other = model(&Shape { items: 34, ..Shape::TINY });
    let filter = Filter::default().quota(Quota { groups: &groups, limit: 1 });
    let error = session(&other, 3, 1).top_k(5, &filter).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "groups: found model");
}
