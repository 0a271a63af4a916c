//! Items added, replaced and retired at run time, compared with models whose file contains them,
//! and with scoring all items.

mod common;

use std::sync::Arc;

use common::{
    F16, F32, I8, ModelFile, NaiveCatalogue, Rng, SHAPES, Shape, assert_says, bits, brute_force,
    dot, id_of, model, models, session,
};
use recgrela::{
    ErrorKind, Filter, Fleet, Groups, ItemId, Model, ModelOptions, Overlay, Quota, Result, Scored,
    Session, TopK,
};

fn vector(size: usize, rng: &mut Rng) -> Vec<f32> {
    (0..size).map(|_| rng.unit()).collect()
}

/// A new id of the model's kind.
fn new_id(shape: &Shape, number: usize) -> String {
    if shape.text { format!("new {number}é") } else { (1_000_000 + number).to_string() }
}

/// The expected catalogue under an overlay, and changes to it.
#[derive(Clone)]
struct Naive {
    shape: Shape,
    now: NaiveCatalogue,
}

impl Naive {
    fn new(shape: &Shape, model: &Model) -> Self {
        Self { shape: *shape, now: NaiveCatalogue::new(model) }
    }

    /// Applies one random change to both.
    fn change(&mut self, overlay: &mut Overlay, rng: &mut Rng) -> Result<()> {
        let count = rng.below(40);
        let mut items = rng.items(count, self.now.ids.len());
        match rng.below(4) {
            0 => {
                self.now.set_retired(&items, true);
                return overlay.retire(&items);
            }
            1 => {
                self.now.set_retired(&items, false);
                return overlay.reinstate(&items);
            }
            // Known items and new ones in one call, in any order.
            _ => {
                items.sort_unstable();
                items.dedup();
                let mut ids: Vec<_> =
                    items.iter().map(|&item| self.now.ids[item as usize].clone()).collect();
                let new = rng.below(30);
                ids.extend((0..new).map(|n| new_id(&self.shape, 1000 * self.now.ids.len() + n)));
                (0..ids.len()).for_each(|index| ids.swap(index, rng.below(index + 1)));
                self.add(overlay, &ids, rng);
            }
        }
        Ok(())
    }

    fn add(&mut self, overlay: &mut Overlay, ids: &[String], rng: &mut Rng) {
        let vectors: Vec<_> = ids.iter().map(|_| vector(self.shape.hidden, rng)).collect();
        let expected = self.now.add(ids, &vectors);
        let item_ids: Vec<_> = ids.iter().map(|id| id_of(id, self.shape.text)).collect();
        assert_eq!(overlay.add(&item_ids, &vectors.concat()).unwrap(), expected);
    }

    /// A model file that contains these items.
    fn file(&self, base: &ModelFile) -> ModelFile {
        let (items, size) = (self.now.ids.len(), self.shape.hidden);
        let mut file = base.clone();
        file.config = Shape { items, ..self.shape }.config();
        let stored = base.numbers("catalog.table");
        let mut table = vec![0.0; items.div_ceil(32) * 32 * size];
        for (item, vector) in self.now.vectors.iter().enumerate() {
            for i in 0..size {
                let index = (item / 32 * size + i) * 32 + item % 32;
                table[index] =
                    vector.as_ref().map_or_else(|| stored[index] as f32, |vector| vector[i]);
            }
        }
        file.put_f32("catalog.table", &[items.div_ceil(32), size, 32], &table);
        file.put_ids(&self.now.ids, self.shape.text);
        file
    }
}

/// Compares queries of all kinds with scoring all items.
fn check_queries(session: &Session, naive: &Naive, rng: &mut Rng, ranking: &mut TopK) {
    let (items, all) = (naive.now.current(), naive.now.ids.len());
    let groups: Vec<_> = (0..all).map(|_| rng.below(4) as i64).collect();
    // Added items need not have a group.
    let groups = &groups[..naive.shape.items + rng.below(all - naive.shape.items + 1)];
    let grouped = Groups::new(session.model(), groups).unwrap();
    let (few, many) = (rng.items(4, all), rng.items(all, all));
    let mut fleet = Fleet::new(Arc::clone(session.model()));
    (0..3).for_each(|user| fleet.set(user, session).unwrap());
    for k in [1, 10, usize::MAX] {
        for (exclude_seen, allow, deny) in [
            (false, None, &[][..]),
            (true, None, &many),
            (true, Some(&few), &few[..1]),
            (false, Some(&many), &few),
        ] {
            for limit in [None, Some(3)] {
                let quota = limit.map(|limit| Quota { groups: &grouped, limit });
                let mut filter = Filter::default().exclude_seen(exclude_seen).deny(deny);
                (filter.allow, filter.quota) = (allow.map(|list| &list[..]), quota);
                session.top_k_into(k, &filter, ranking).unwrap();
                assert!(
                    fleet
                        .top_k(&[0, 1, 2], k, &filter)
                        .unwrap()
                        .iter()
                        .all(|best| best == ranking.items())
                );
                let limits = limit.map(|limit| (groups, limit));
                let expected = brute_force(session, &items, k, &filter, limits);
                assert_eq!(ranking.items(), expected, "k {k}, limit {limit:?}");
            }
        }
    }
}

#[test]
fn random_changes() {
    let ranking = &mut TopK::new();
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(3);
            let mut naive = Naive::new(shape, &model);
            let mut session = session(&model, 8, 7);
            let base: Vec<_> = (0..shape.items as u32).collect();
            for _ in 0..10 {
                let before = (session.snapshot(), session.score(&base).unwrap());
                model.update_overlay(|overlay| naive.change(overlay, rng)).unwrap();
                assert_eq!(session.snapshot(), before.0, "no state changes");
                naive.now.check(&model);
                assert_eq!(model.catalog().index_of(id_of("-7", shape.text)), None);

                let all: Vec<_> = (0..naive.now.ids.len() as u32).collect();
                let scores = session.score(&all).unwrap();
                let expected = naive.now.scores(&before.1, session.user_vector().unwrap());
                assert_eq!(bits(&scores), bits(&expected));
                check_queries(&session, &naive, rng, ranking);
                // Retired items can still be events.
                let item = rng.below(naive.now.ids.len()) as u32;
                let mut fleet = Fleet::new(Arc::clone(&model));
                fleet.set(0, &session).unwrap();
                fleet.append(&[0], &[item]).unwrap();
                session.append(item).unwrap();
                assert_eq!(
                    bits(fleet.user_vector(0).unwrap()),
                    bits(session.user_vector().unwrap())
                );
                assert_eq!(fleet.score(0, &all).unwrap(), session.score(&all).unwrap());
            }
        }
    }
}

#[test]
fn an_overlay_is_as_good_as_a_file() {
    for shape in SHAPES.iter().filter(|shape| shape.table == F32) {
        let base = ModelFile::random(shape);
        for model in models(shape) {
            let rng = &mut Rng::new(4);
            let mut naive = Naive::new(shape, &model);
            for _ in 0..4 {
                model.update_overlay(|overlay| naive.change(overlay, rng)).unwrap();
                let bytes = naive.file(&base).to_bytes();
                let other = ModelOptions::new().isa(model.isa()).from_bytes(bytes).unwrap();
                let mut sessions = [Session::new(Arc::clone(&model)), Session::new(other.into())];
                let events = rng.items(12, naive.now.ids.len());
                let deny = naive.now.retired();
                let [overlaid, filed] = sessions.each_mut().map(|session| {
                    session.extend(&events).unwrap();
                    let hidden = bits(session.user_vector().unwrap());
                    let filter = Filter::unseen().deny(&deny);
                    (hidden, session.top_k(20, &filter).unwrap())
                });
                assert_eq!(overlaid, filed, "{shape:?}");
            }
        }
    }
}

#[test]
fn equal_scores_rank_by_item_across_both_tables() {
    for table in [F32, F16, I8] {
        let shape = Shape { items: 100, table, ..Shape::TINY };
        for model in models(&shape) {
            let mut naive = Naive::new(&shape, &model);
            let session = session(&model, 3, 1);
            // Vectors with one number of the table throughout, so that whole rows are equal.
            model
                .update_overlay(|overlay| {
                    let some = [70, 5, 30, 31, 99].map(|item: usize| naive.now.ids[item].clone());
                    let new = (0..40).map(|n| new_id(&shape, n));
                    let ids: Vec<_> = some.into_iter().chain(new).collect();
                    naive.add(overlay, &ids, &mut Rng::new(1));
                    let ids: Vec<_> = ids.iter().map(|id| id_of(id, false)).collect();
                    let vectors = [0.5; 8].repeat(ids.len());
                    overlay.add(&ids, &vectors)
                })
                .unwrap();
            for k in [1, 3, 7, 20, 44, 45, 46, 140] {
                let filter = Filter::default();
                let found = session.top_k(k, &filter).unwrap();
                assert_eq!(found, brute_force(&session, &naive.now.current(), k, &filter, None));
            }
        }
    }
}

/// Items of such a table tie with each other and with the overlay's.
#[test]
fn ties_with_the_models_items() {
    let file = common::with_ties();
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let session = session(&model, 6, 3);
    let catalog = model.catalog();
    let ids: Vec<_> = [3, 4, 100, 101, 150].map(|item| catalog.id(item).unwrap()).into();
    let new = (0..40).map(ItemId::Int).filter(|&id| catalog.index_of(id).is_none());
    let ids: Vec<_> = ids.into_iter().chain(new).collect();
    for value in [0.5, -0.25] {
        let vectors = [value; 8].repeat(ids.len());
        model.update_overlay(|overlay| overlay.add(&ids, &vectors)).unwrap();
        let items: Vec<_> = (0..model.catalog().len() as u32).collect();
        for k in 1..items.len() + 2 {
            let filter = Filter::default();
            let expected = brute_force(&session, &items, k, &filter, None);
            assert_eq!(session.top_k(k, &filter).unwrap(), expected);
        }
    }
}

#[test]
fn impossible_changes_change_nothing() {
    for shape in [Shape::TINY, Shape { text: true, ..Shape::TINY }] {
        let model = model(&shape);
        let mut overlay = Overlay::new(&model);
        let names = ["700", "701"].map(|text| id_of(text, shape.text));
        overlay.add(&names, &[0.5; 16]).unwrap();
        overlay.retire(&[34, 2]).unwrap();
        let before = overlay.to_bytes();
        let [one, two] = names;
        let other_kind = if shape.text { ItemId::Int(1) } else { ItemId::Str("a\nb") };
        let mut not_finite = [1.0; 8];
        not_finite[3] = f32::NAN;
        let refused: [(&[ItemId<'_>], &[f32], &str); 6] = [
            (&[one, two, one], &[1.0; 24], "id `700` twice"),
            (&[other_kind], &[1.0; 8], "like the model's"),
            (&[one], &[1.0; 7], "7 numbers for 1 ids, expected 8 for each"),
            (&[one], &[1.0; 16], "16 numbers"),
            (&[], &[1.0; 8], "8 numbers"),
            (&[one], &not_finite, "NaN at index 3 of the vector of id `700`"),
        ];
        for (ids, vectors, message) in refused {
            let error = overlay.add(ids, vectors).unwrap_err();
            assert_says(&error, ErrorKind::Overlay, message);
            assert!(!error.to_string().contains('\n'));
        }
        for change in [Overlay::retire, Overlay::reinstate] {
            let error = change(&mut overlay, &[0, 35]).unwrap_err();
            assert_says(&error, ErrorKind::Item, "found 35, expected less than 35");
        }
        assert_eq!(overlay.to_bytes(), before);
        assert_eq!(format!("{overlay:?}"), "Overlay(2 added, 0 replaced, 2 retired)");
        assert_eq!(
            (overlay.num_added(), overlay.replaced(), overlay.retired()),
            (2, &[][..], &[2, 34][..])
        );
    }
}

#[test]
fn an_active_overlay_is_only_continued() {
    let model = model(&Shape::TINY);
    let with = |ids: &[i64]| {
        let mut overlay = Overlay::new(&model);
        let ids: Vec<_> = ids.iter().map(|&id| ItemId::Int(id)).collect();
        overlay.add(&ids, &vec![0.5; 8 * ids.len()]).unwrap();
        overlay
    };
    assert!(model.overlay().is_none());
    model.set_overlay(Overlay::new(&model)).unwrap();
    model.set_overlay(with(&[100, 101])).unwrap();
    model.set_overlay(with(&[100, 101, 102])).unwrap();
    for ids in [&[][..], &[100, 101], &[101, 100, 102], &[100, 101, 103, 102]] {
        let error = model.set_overlay(with(ids)).unwrap_err();
        assert_says(&error, ErrorKind::Overlay, "expected the 3 of the active overlay first");
    }
    assert_eq!(model.catalog().len(), 36);
    let error = model
        .update_overlay(|overlay| {
            *overlay = with(&[]);
            Ok(())
        })
        .unwrap_err();
    assert_says(&error, ErrorKind::Overlay, "overlay: found other added items");
    let error = model.update_overlay(|overlay| overlay.retire(&[36])).unwrap_err();
    assert_says(&error, ErrorKind::Item, "item index: found 36");
    assert_eq!(model.overlay().unwrap().to_bytes(), with(&[100, 101, 102]).to_bytes());

    let other = common::model(&Shape { items: 34, ..Shape::TINY });
    let error = model.set_overlay(Overlay::new(&other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "overlay: found model");
}

/// Two models may state the same fingerprint, which only `verify` detects.
#[test]
fn a_borrowed_fingerprint_does_not_pass() {
    let model = model(&Shape::TINY);
    for (shape, found) in [
        (Shape { items: 34, ..Shape::TINY }, "34 number ids and vectors of 8"),
        (Shape { hidden: 16, ..Shape::TINY }, "33 number ids and vectors of 16"),
        (Shape { text: true, ..Shape::TINY }, "33 text ids and vectors of 8"),
    ] {
        let mut file = ModelFile::random(&shape);
        file.fingerprint = Some(model.fingerprint().to_string());
        let other = Model::from_bytes(file.to_bytes()).unwrap();
        let error = model.set_overlay(Overlay::new(&other)).unwrap_err();
        assert_says(&error, ErrorKind::Overlay, &format!("overlay: found one for {found}"));
        assert!(model.overlay().is_none());
    }
}

#[test]
fn what_is_known_follows_the_overlay() {
    let model = model(&Shape::TINY);
    let mut session = session(&model, 3, 1);
    let error = session.append(33).unwrap_err();
    assert_says(&error, ErrorKind::Item, "found 33, expected less than 33");
    let catalog = model.catalog();
    let new = [ItemId::Int(-5)];
    let items = model.update_overlay(|overlay| overlay.add(&new, &[0.5; 8])).unwrap();
    assert_eq!((items, catalog.len(), catalog.index_of(-5)), (vec![33], 33, None));
    session.append(33).unwrap();
    assert_eq!(session.seen().last(), Some(&33));
    let allowed = Filter::default().allow(&[33]);
    assert_eq!(session.top_k(1, &allowed).unwrap()[0].item, 33);
    assert!(session.top_k(1, &allowed.exclude_seen(true)).unwrap().is_empty());
    model.update_overlay(|overlay| overlay.retire(&[33])).unwrap();
    assert!(session.top_k(1, &allowed).unwrap().is_empty());
    model.update_overlay(|overlay| overlay.reinstate(&[33])).unwrap();
    assert_eq!(session.top_k(1, &allowed).unwrap()[0].item, 33);
    model.update_overlay(|overlay| overlay.retire(&[33])).unwrap();
    model.update_overlay(|overlay| overlay.add(&new, &[0.25; 8])).unwrap();
    let found = session.top_k(1, &allowed).unwrap();
    assert_eq!(
        found,
        [Scored { item: 33, score: dot(&[0.25; 8], session.user_vector().unwrap()) }]
    );
    model.verify().unwrap();

    let stored = model.item_vectors(&[33, 5, 33]).unwrap();
    assert_eq!((&stored[..8], &stored[16..]), (&[0.25; 8][..], &[0.25; 8][..]));
    assert!(model.item_vectors(&[34]).is_err());

    let beside = common::model(&Shape::TINY);
    for (length, fits) in [(32, false), (33, true), (34, true), (35, false)] {
        let groups = vec![0; length];
        assert_eq!(Groups::new(&model, &groups).is_ok(), fits);
        assert_eq!(Groups::new(&beside, &groups).is_ok(), fits && length == 33);
    }
}

/// Each answer matches one of the two overlays.
#[test]
#[cfg(not(target_family = "wasm"))] // has no threads
fn sessions_while_the_overlay_changes() {
    for table in [F32, I8] {
        let shape = Shape { items: 700, table, ..Shape::TINY };
        let model = model(&shape);
        let rng = &mut Rng::new(8);
        let mut naive = Naive::new(&shape, &model);
        let mut states = vec![Overlay::new(&model)];
        naive.add(&mut states[0], &(0..90).map(|n| new_id(&shape, n)).collect::<Vec<_>>(), rng);
        for _ in 0..3 {
            let mut next = states[states.len() - 1].clone();
            let ids: Vec<_> = naive.now.ids.iter().step_by(2).cloned().collect();
            naive.add(&mut next, &ids, rng);
            next.retire(&rng.items(60, naive.now.ids.len())).unwrap();
            states.push(next);
        }
        let answer = |session: &Session| {
            let best = session.top_k(20, &Filter::default()).unwrap();
            let best = best.iter().map(|scored| (scored.item, scored.score.to_bits()));
            best.collect::<Vec<_>>()
        };
        let session = session(&model, 5, 1);
        let expected: Vec<_> = states
            .iter()
            .map(|state| {
                model.set_overlay(state.clone()).unwrap();
                answer(&session)
            })
            .collect();
        assert!((1..4).all(|n| expected[n] != expected[n - 1]));
        std::thread::scope(|scope| {
            let ask = || {
                for _ in 0..2000 {
                    assert!(expected.contains(&answer(&session)));
                }
            };
            let threads = [scope.spawn(ask), scope.spawn(ask)];
            while threads.iter().any(|thread| !thread.is_finished()) {
                let state = &states[rng.below(4)];
                model.set_overlay(state.clone()).unwrap();
            }
        });
    }
}

#[test]
#[cfg(not(target_family = "wasm"))] // has no threads
fn no_change_is_lost_between_threads() {
    let model = model(&Shape::TINY);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let model = &model;
            scope.spawn(move || {
                for n in 0..40 {
                    let id = [ItemId::Int(10_000 + 100 * thread + n)];
                    model.update_overlay(|overlay| overlay.add(&id, &[0.5; 8])).unwrap();
                }
            });
        }
    });
    let catalog = model.catalog();
    assert_eq!(catalog.len(), 33 + 120);
    assert!((0..120).all(|n| catalog.index_of(10_000 + 100 * (n / 40) + n % 40).is_some()));
}
