//! Compares the engine with the naive f64 implementation, and the instruction sets with each other.

mod common;

use common::{I8, ModelFile, Reference, Rng, SHAPES, Shape, bits, catalogue, models, session};
use recgrela::{Filter, Model, Session};

/// The largest difference between scores, relative to the largest score.
fn difference(found: &[f32], expected: &[f64]) -> f64 {
    let largest = expected.iter().fold(0.0_f64, |largest, score| largest.max(score.abs()));
    let apart =
        found.iter().zip(expected).map(|(&found, &expected)| (f64::from(found) - expected).abs());
    apart.fold(0.0, f64::max) / largest
}

#[test]
fn scores_are_those_of_the_reference() {
    for shape in &SHAPES {
        let file = ModelFile::random(shape);
        let reference = Reference::new(&file, shape);
        let model = std::sync::Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        let (mut state, mut session) = (reference.start(), Session::new(model.clone()));
        for item in Rng::new(1).items(150, shape.items) {
            state.append(item);
            session.append(item).unwrap();
            let all = catalogue(&model);
            let expected: Vec<_> = all.iter().map(|&item| state.score(item)).collect();
            let apart = difference(&session.score(&all).unwrap(), &expected);
            // At most 1.3e-4 and 1.1e-5 were measured.
            let tolerated = if shape.matrices == I8 { 3e-4 } else { 3e-5 };
            assert!(apart < tolerated, "{shape:?}: {apart:e} after {} events", session.events());
        }
    }
}

#[test]
fn instruction_sets_give_the_same_bits() {
    for shape in &SHAPES {
        let models = models(shape);
        let mut sessions: Vec<_> = models.iter().cloned().map(Session::new).collect();
        for (t, item) in Rng::new(2).items(300, shape.items).into_iter().enumerate() {
            sessions.iter_mut().for_each(|session| session.append(item).unwrap());
            if t % 7 != 0 {
                continue;
            }
            let all = catalogue(&models[0]);
            let filter = Filter::default().exclude_seen(t % 2 == 0);
            let outcomes: Vec<_> = sessions
                .iter()
                .map(|session| {
                    let scores = bits(&session.score(&all).unwrap());
                    (scores, session.top_k(9, &filter).unwrap(), session.snapshot())
                })
                .collect();
            assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{shape:?}, event {t}");
        }
    }
}

#[test]
fn self_test_passes_on_every_instruction_set() {
    for shape in &SHAPES {
        for model in models(shape) {
            let report = model.verify().unwrap();
            let (scores, tolerated) = if shape.matrices == I8 { (96, 5e-4) } else { (12, 3e-5) };
            assert_eq!((report.sequences, report.scores), (3, scores));
            assert!(report.largest_difference < tolerated, "{report:?}");
        }
    }
}

#[test]
fn top_k_ranks_the_bits_that_score_gives() {
    for shape in &SHAPES {
        for model in models(shape) {
            let session = session(&model, 20, 3);
            let ranked = session.top_k(usize::MAX, &Filter::default()).unwrap();
            assert_eq!(ranked.len(), shape.items);
            let items: Vec<_> = ranked.iter().map(|scored| scored.item).collect();
            let scores: Vec<_> = ranked.iter().map(|scored| scored.score).collect();
            assert_eq!(bits(&session.score(&items).unwrap()), bits(&scores));
        }
    }
}

#[test]
fn far_positions_are_exact() {
    // A position that f32 cannot represent. Only the rotation depends on it.
    let shape = Shape { conv: false, ..Shape::BASE };
    for model in models(&shape) {
        let mut near = session(&model, 40, 4);
        let mut far = Session::new(model.clone());
        let events = (1_u64 << 40) + 12_345;
        far.restore(&common::with_events(&near.snapshot(), events)).unwrap();
        near.append(5).unwrap();
        far.append(5).unwrap();
        assert_eq!(far.events(), events + 1);
        assert!(far.score(&catalogue(&model)).unwrap().iter().all(|score| score.is_finite()));
        assert_ne!(near.user_vector().unwrap(), far.user_vector().unwrap());
    }
}
