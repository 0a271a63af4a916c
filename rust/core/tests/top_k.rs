//! Compares the fused scan with sorting all scores.

mod common;

use std::sync::Arc;

use common::{
    F16, F32, I8, ModelFile, Rng, SHAPES, Shape, brute_force, catalogue, models, session, with_ties,
};
use recgrela::{Filter, Isa, ModelOptions, Scored, Session, TopK};

#[test]
fn every_filter_gives_what_sorting_gives() {
    let mut ranking = TopK::new();
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(9);
            let session = session(&model, 15, 7);
            let items = catalogue(&model);
            for k in [0, 1, 2, 10, 33, shape.items, usize::MAX] {
                let mut list = |n: usize| rng.items(n, shape.items);
                let (few, many) = (list(3), list(2 * shape.items));
                for exclude_seen in [false, true] {
                    for allow in [None, Some(&[][..]), Some(&few[..]), Some(&many[..])] {
                        for deny in [&[][..], &few[..], &many[..]] {
                            let mut filter =
                                Filter::default().exclude_seen(exclude_seen).deny(deny);
                            filter.allow = allow;
                            session.top_k_into(k, &filter, &mut ranking).unwrap();
                            let expected = brute_force(&session, &items, k, &filter, None);
                            assert_eq!(ranking.items(), expected, "k {k}, {filter:?}");
                        }
                    }
                }
            }
        }
    }
}

/// A first pass over 4,096 items sets the threshold of the scan.
#[test]
fn more_items_than_the_scan_begins_with() {
    let mut ranking = TopK::new();
    for table in [F32, F16, I8] {
        let shape = Shape { items: 4500, table, ..Shape::TINY };
        for model in models(&shape) {
            let session = session(&model, 300, 5);
            let items = catalogue(&model);
            let first: Vec<u32> = (0..4100).collect();
            let all_but_five: Vec<u32> = (5..4500).collect();
            for k in [1, 10, 32, 33] {
                for deny in [&[][..], &first, &all_but_five] {
                    let filter = Filter::unseen().deny(deny);
                    session.top_k_into(k, &filter, &mut ranking).unwrap();
                    let expected = brute_force(&session, &items, k, &filter, None);
                    assert_eq!(ranking.items(), expected, "{table}, k {k}, {} denied", deny.len());
                }
            }
        }
    }
}

#[test]
fn equal_scores_rank_by_item() {
    let bytes = with_ties().to_bytes();
    for isa in Isa::available() {
        let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
        let session = session(&model, 6, 3);
        let items = catalogue(&model);
        for k in [1, 5, 40, 66, 67, 68, 150, 200] {
            for exclude_seen in [false, true] {
                let filter = Filter::default().exclude_seen(exclude_seen);
                let found = session.top_k(k, &filter).unwrap();
                let expected = brute_force(&session, &items, k, &filter, None);
                assert_eq!(found, expected, "k {k}");
                let ordered = |pair: &[Scored]| {
                    pair[0].score > pair[1].score
                        || (pair[0].score == pair[1].score && pair[0].item < pair[1].item)
                };
                assert!(found.windows(2).all(ordered));
            }
        }
    }
}

#[test]
fn scores_that_overflow_never_panic_and_nan_is_never_returned() {
    let shape = Shape { items: 100, final_norm: true, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    // Item j's features are alternately the largest numbers of both signs, so sums reach infinity
    // and infinity minus infinity.
    let table = file.tensor("catalog.table");
    assert_eq!(table.dtype, F32);
    for index in 0..table.bytes.len() / 4 {
        let (block, feature, lane) = (index / 256, index / 32 % 8, index % 32);
        let item = block * 32 + lane;
        if item < 100 && item % 3 == 0 {
            let value = if feature % 2 == 0 { f32::MAX } else { -f32::MAX };
            table.bytes[index * 4..index * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    let bias = [3.0, 3.0, 3.0, 3.0, 5.0, 5.0, 5.0, 5.0];
    file.put_f32("final_norm.bias", &[8], &bias);
    let bytes = file.to_bytes();
    for isa in Isa::available() {
        let model = Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
        let mut session = Session::new(model);
        session.extend(&[1, 2, 4]).unwrap();
        let items = catalogue(session.model());
        let scores = session.score(&items).unwrap();
        assert!(scores.iter().any(|score| score.is_nan()));
        for k in [1, 50, 100] {
            let filter = Filter::default();
            let expected = brute_force(&session, &items, k, &filter, None);
            assert_eq!(session.top_k(k, &filter).unwrap(), expected);
        }
        // After appending such an item the state may be anything, but must not panic.
        session.extend(&[0, 3, 6]).unwrap();
        session.top_k(5, &Filter::unseen()).unwrap();
        session.score(&[0, 1]).unwrap();
        assert!(session.model().verify().is_err());
    }
}
