//! A million events: the state and the scores still match the f64 reference, and only the list of
//! seen items has grown.

mod common;

use std::sync::Arc;

use common::{ModelFile, Reference, Rng, SNAPSHOT_HEADER, Shape, catalogue, model};
use recgrela::{Event, Kind, Model, Session};

const SHAPE: Shape = Shape { hidden: 16, heads: 4, layers: 1, inner: 8, items: 40, ..Shape::BASE };

/// gamma for a horizon in events.
const fn horizon(events: f32) -> f32 {
    1.0 - 1.0 / events
}

/// The maximum error of the engine for S and z in each head, relative to the largest number of each
/// kind.
#[derive(Debug)]
struct Apart {
    scores: f64,
    values: f64,
    s: [f64; 4],
    z: [f64; 4],
}

impl Apart {
    fn within(&self, bounds: &Self) -> bool {
        let pairs = [(&self.s, &bounds.s), (&self.z, &bounds.z)];
        self.scores < bounds.scores
            && self.values < bounds.values
            && pairs.iter().all(|(found, bound)| found.iter().zip(*bound).all(|(a, b)| a < b))
    }
}

fn apart(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    let apart = found.iter().zip(expected).map(|(&found, x)| (f64::from(found) - x).abs());
    apart.fold(0.0, f64::max) / largest
}

/// One head's columns in rows of D numbers.
fn of_head<T: Copy>(rows: &[T], head: usize) -> Vec<T> {
    rows.chunks_exact(SHAPE.hidden).flat_map(|row| row[4 * head..][..4].iter().copied()).collect()
}

/// The recurrent state of a snapshot.
fn state_numbers(snapshot: &[u8]) -> Vec<f32> {
    let count = u32::from_le_bytes(snapshot[16..20].try_into().unwrap()) as usize;
    let times = if snapshot[8] > 3 { 8 } else { 0 };
    let (numbers, _) = snapshot[SNAPSHOT_HEADER + times..].as_chunks();
    numbers[..count].iter().map(|&number| f32::from_le_bytes(number)).collect()
}

/// Replays a user who repeats one item nine times out of ten. Equal events round alike, so errors
/// accumulate instead of cancelling.
fn check(shape: &Shape, decay: [f32; 4], bounds: &Apart) {
    let mut file = ModelFile::random(shape);
    file.put_f32("blocks.0.decay", &[4], &decay);
    let reference = Reference::new(&file, shape);
    let mut state = reference.start();
    let mut session = Session::new(Arc::new(Model::from_bytes(file.to_bytes()).unwrap()));
    let all = catalogue(session.model());
    let mut rng = Rng::new(7);
    for t in 1..=1_000_000 {
        let item = if rng.below(10) == 0 { rng.below(shape.items) as u32 } else { 3 };
        let mut event = match shape.kinds {
            0 => Event::from(item),
            kinds => (item, Kind::new(rng.below(kinds) as u8)).into(),
        };
        event.time = shape.gaps.then(|| t << rng.below(20));
        state.append(event);
        session.append(event).unwrap();
        if ![10_000, 100_000, 1_000_000].contains(&t) {
            continue;
        }
        let numbers = state_numbers(&session.snapshot());
        let scores: Vec<_> = all.iter().map(|&item| state.score(item)).collect();
        let [s, z, values] = state.parts(0);
        let per_head = |offset: usize, sums: &[f64]| {
            let found = &numbers[offset..][..sums.len()];
            [0, 1, 2, 3].map(|head| apart(&of_head(found, head), &of_head(sums, head)))
        };
        let found = Apart {
            scores: apart(&session.score(&all).unwrap(), &scores),
            values: apart(&numbers[numbers.len() - values.len()..], &values),
            s: per_head(0, &s),
            z: per_head(s.len(), &z),
        };
        assert!(found.within(bounds), "after {t} events {found:?} is not within {bounds:?}");
    }
}

/// S stays accurate in every head. In a head that never forgets z does not, but such a head fades
/// out of the scores, so they stay accurate.
fn check_rotated(shape: &Shape, z_that_never_forgets: f64) {
    let decay = [1.0, horizon(4096.0), horizon(256.0), horizon(16.0)];
    let bounds = Apart {
        scores: 1e-6,
        values: 5e-7,
        s: [5e-5, 5e-6, 2e-6, 5e-7],
        z: [z_that_never_forgets, 3e-4, 1e-5, 5e-7],
    };
    check(shape, decay, &bounds);
}

#[test]
fn with_rotation() {
    check_rotated(&SHAPE, 5e-3);
}

#[test]
fn with_kinds() {
    check_rotated(&Shape { kinds: 3, start: true, ..SHAPE }, 1.5e-2);
}

#[test]
fn with_times() {
    check_rotated(&Shape { gaps: true, start: true, ..SHAPE }, 1.5e-2);
}

#[test]
fn without_rotation() {
    let decay = [1.0, horizon(16_777_216.0), horizon(65_536.0), horizon(16.0)];
    let bounds = Apart { scores: 5e-7, values: 5e-7, s: [1e-6; 4], z: [5e-7; 4] };
    check(&Shape { positions: "learned", ..SHAPE }, decay, &bounds);
}

#[test]
fn nothing_grows_once_every_item_was_seen() {
    for positions in ["rotary", "learned", "none"] {
        let mut session = Session::new(model(&Shape { positions, ..SHAPE }));
        session.set_undo_depth(8).unwrap();
        session.set_log_capacity(100);
        let sizes = |session: &Session| {
            let lists = (session.seen().len(), session.log().len(), session.undoable());
            (session.state_bytes(), session.undo_bytes(), session.snapshot().len(), lists)
        };
        let mut rng = Rng::new(1);
        session.extend(&rng.items(1000, SHAPE.items)).unwrap();
        let before = sizes(&session);
        assert_eq!(before.3, (SHAPE.items, 100, 8));
        session.extend(&rng.items(100_000, SHAPE.items)).unwrap();
        assert_eq!(sizes(&session), before);
    }
}
