//! One model in many threads: a session's bits do not depend on what runs concurrently.

#![cfg(not(target_family = "wasm"))] // has no threads

mod common;

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use common::{F16, I8, Rng, SHAPES, Shape, bits, catalogue, model, session};
use recgrela::{Filter, Model, Session, TopK};

const THREADS: usize = 6;

/// Large enough that steps and scans of several threads overlap.
const LARGE: Shape = Shape { items: 2000, table: I8, matrices: F16, ..Shape::BASE };

/// The bits of scores and rankings of some users with interleaved events, and of their final
/// states.
fn play(model: &Arc<Model>, seed: u64) -> Vec<u32> {
    let rng = &mut Rng::new(seed);
    let mut users = vec![Session::new(Arc::clone(model)); 5];
    let (mut ranking, mut answers) = (TopK::new(), vec![]);
    for event in 0..100 {
        let user = &mut users[event % 5];
        user.append(rng.items(1, model.num_items())[0]).unwrap();
        let asked = rng.items(20, model.num_items());
        let filter = Filter::default().exclude_seen(event % 2 == 0).deny(&asked[..7]);
        user.top_k_into(10, &filter, &mut ranking).unwrap();
        answers.extend(ranking.items().iter().flat_map(|best| [best.item, best.score.to_bits()]));
        answers.extend(bits(&user.score(&asked).unwrap()));
    }
    answers.extend(users.iter().flat_map(|user| user.snapshot()).map(u32::from));
    answers
}

/// Starts all tasks at the same time and returns their results.
fn together<T: Send, W: FnOnce() -> T + Send>(works: Vec<W>) -> Vec<T> {
    let barrier = &Barrier::new(works.len());
    thread::scope(|scope| {
        let start = |work: W| {
            scope.spawn(move || {
                barrier.wait();
                work()
            })
        };
        let threads: Vec<_> = works.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn many_sessions_on_one_model() {
    for shape in SHAPES.iter().chain([&LARGE]) {
        let shared = &model(shape);
        let alone: Vec<_> = (0..THREADS as u64).map(|seed| play(&model(shape), seed)).collect();
        let works = (0..THREADS as u64).map(|seed| move || play(shared, seed)).collect();
        assert!(together(works) == alone, "{shape:?}");
    }
}

#[test]
fn many_readers_of_one_session() {
    let session = &session(&model(&LARGE), 30, 1);
    let filter = Filter::unseen();
    let read = || {
        let best = session.top_k(50, &filter).unwrap();
        (bits(&session.score(&catalogue(session.model())).unwrap()), best, session.snapshot())
    };
    let alone = read();
    let works = vec![|| (0..20).map(|_| read()).collect::<Vec<_>>(); THREADS];
    assert!(together(works).into_iter().flatten().all(|answer| answer == alone));
}

/// A session that moves to another thread after every event.
#[test]
fn a_session_passed_back_and_forth() {
    let mut alone = Session::new(model(&Shape::BASE));
    let mut session = alone.clone();
    let items = Rng::new(3).items(300, Shape::BASE.items);
    let ((give, taken), (give_back, back)) = (mpsc::channel::<Session>(), mpsc::channel());
    let session = thread::scope(|scope| {
        scope.spawn(|| {
            for (pair, mut session) in items.chunks(2).zip(taken) {
                session.append(pair[0]).unwrap();
                give_back.send(session).unwrap();
            }
        });
        for pair in items.chunks(2) {
            give.send(session).unwrap();
            session = back.recv().unwrap();
            session.append(pair[1]).unwrap();
        }
        session
    });
    alone.extend(&items).unwrap();
    assert_eq!(session.snapshot(), alone.snapshot());
}

/// Two writers on one session take turns. The outcome is that of the order of their calls.
#[test]
fn one_session_in_two_threads() {
    let session = &Mutex::new((Session::new(model(&Shape::BASE)), vec![]));
    let write = |seed| {
        move || {
            for item in Rng::new(seed).items(500, Shape::BASE.items) {
                let (session, order) = &mut *session.lock().unwrap();
                session.append(item).unwrap();
                order.push(item);
            }
        }
    };
    together(vec![write(1), write(2)]);
    let (session, order) = &*session.lock().unwrap();
    let mut alone = Session::new(Arc::clone(session.model()));
    alone.extend(order).unwrap();
    assert_eq!(session.snapshot(), alone.snapshot());
}
