//! Allocations: none while appending, ranking and undoing after warm-up, and never much more than
//! the size of untrusted input.

// A global allocator requires it.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use common::{F16, FORMAT_2, ModelFile, Rng, SHAPES, Shape, id_of, models};
use recgrela::{ErrorKind, Filter, Fleet, Groups, Model, Overlay, Quota, Session, TopK};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Bytes in use. In these tests, threads free only what they allocated.
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    /// Large allocations that succeed before one fails.
    static GRANTED: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Larger than any buffer of fixed size.
const LARGE: usize = 1 << 17;

fn count(allocated: usize, freed: usize) {
    BYTES.set(BYTES.get().wrapping_add(allocated).wrapping_sub(freed));
    if allocated > 0 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        PEAK.set(PEAK.get().max(BYTES.get()));
    }
}

/// Peak bytes in use during some work, relative to those before it.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = BYTES.get();
    PEAK.set(before);
    let result = work();
    (PEAK.get() - before, result)
}

// SAFETY: every call is forwarded to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            if GRANTED.get() == 0 {
                return std::ptr::null_mut();
            }
            GRANTED.set(GRANTED.get() - 1);
        }
        count(layout.size(), 0);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks exist while the data moves.
        count(size, 0);
        count(0, layout.size());
        // SAFETY: the caller upholds the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_fleet_without_memory_is_an_error() {
    let model = common::model(&Shape::TINY);
    let mut fleet = Fleet::new(Arc::clone(&model));
    let users: Vec<u32> = (0..50_000).collect();
    let items = vec![1; users.len()];
    fleet.append(&users[..10], &items[..10]).unwrap();
    let before = fleet.session(9).unwrap().snapshot();
    let mut append = |granted| {
        GRANTED.set(granted);
        let outcome = fleet.append(&users, &items);
        GRANTED.set(usize::MAX);
        if let Err(error) = &outcome {
            common::assert_says(error, ErrorKind::OutOfMemory, "cannot allocate memory for");
            assert_eq!((fleet.len(), fleet.session(9).unwrap().snapshot()), (10, before.clone()));
        }
        outcome
    };
    // Ids, their map, records and states; each may grow in several steps.
    let refused = (0..100).take_while(|&granted| append(granted).is_err()).count();
    assert!(refused > 4, "{refused}");
}

/// Adds `count` items to the catalogue, replaces one and retires one.
fn overlay(model: &Model, count: usize) {
    let catalog = model.catalog();
    let is_text = catalog.is_text();
    let name = |n: usize| if is_text { format!("new {n}") } else { (1_000_000 + n).to_string() };
    let names: Vec<_> = (0..count).map(name).collect();
    let first = catalog.id(0).unwrap();
    let ids: Vec<_> = names.iter().map(|name| id_of(name, is_text)).chain([first]).collect();
    let vectors = vec![0.5; ids.len() * model.config().hidden_size];
    model.update_overlay(|overlay| overlay.add(&ids, &vectors)).unwrap();
    model.update_overlay(|overlay| overlay.retire(&[model.num_items() as u32 - 1])).unwrap();
}

#[test]
fn append_and_top_k_allocate_nothing() {
    let shapes = SHAPES.iter().chain(&FORMAT_2);
    for (shape, overlaid) in shapes.flat_map(|shape| [(shape, false), (shape, true)]) {
        for model in models(shape) {
            if overlaid {
                overlay(&model, 3);
            }
            let events = Rng::new(1).events(200, shape);
            let items: Vec<_> = events.iter().map(|event| event.item).collect();
            let mut session = Session::new(Arc::clone(&model));
            session.reserve_seen(shape.items);
            session.set_undo_depth(3).unwrap();
            session.set_log_capacity(40);
            session.extend(&events[..40]).unwrap();
            let mut ranking = TopK::new();
            let groups: Vec<_> = (0..shape.items as i64).map(|item| item % 5).collect();
            let groups = Groups::new(&model, &groups).unwrap();
            let filters = [
                Filter::unseen(),
                Filter::default().allow(&items[..50]),
                Filter::unseen().allow(&items).deny(&items[100..]),
                Filter::unseen().quota(Quota { groups: &groups, limit: 2 }),
            ];
            session.append(events[0]).unwrap();
            // The first query returns almost nothing, but warms up for all.
            let starving = Filter::default().allow(&items[..1]);
            session.top_k_into(20, &starving, &mut ranking).unwrap();
            session.top_k_into(1, &filters[2], &mut ranking).unwrap();
            session.top_k_into(20, &filters[3], &mut ranking).unwrap();
            let mut scores = [0.0; 50];

            let before = ALLOCATIONS.get();
            for &event in &events {
                session.append(event).unwrap();
                for (k, filter) in [20, 1, 7, 9].into_iter().zip(&filters) {
                    session.top_k_into(k, filter, &mut ranking).unwrap();
                }
                session.score_into(&items[..50], &mut scores).unwrap();
            }
            session.undo(3).unwrap();
            assert_eq!(ALLOCATIONS.get() - before, 0, "{shape:?}");
        }
    }
}

#[test]
fn a_header_costs_at_most_8_mib() {
    let full = |start: &str, unit: &str, end: &str| {
        let units = ((1 << 18) - start.len() - end.len()) / unit.len();
        [start, &unit.repeat(units), end].concat()
    };
    let headers = [
        full("", "[", ""),
        full("", "{\"\":", ""),
        full("{", "\"\":0,", "\"a\":0}"),
        full("{", "\"\":[],", "\"a\":0}"),
        full("{\"__metadata__\":{", "\"\":\"\",", "\"a\":\"\"}}"),
        full("{\"a\":{\"dtype\":\"F32\",\"shape\":[", "0,", "0],\"data_offsets\":[0,0]}}"),
        full("{\"a\":{\"dtype\":\"", "\\n", "\"}}"),
        distinct(|i| format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}")),
        format!("{{\"__metadata__\":{}}}", distinct(|i| format!("\"{i}\":\"\""))),
    ];
    for header in headers {
        assert!(header.len() <= 1 << 18);
        let file = common::with_header(&header, &[]);
        let (peak, outcome) = peak(|| Model::from_bytes(file).map(|_| ()));
        assert!(outcome.is_err());
        assert!(peak <= 1 << 23, "{peak} bytes: {header:.60}");
    }
}

/// A JSON object with as many distinct entries as fit into a header.
fn distinct(entry: impl Fn(usize) -> String) -> String {
    let mut text = "{".to_owned();
    for i in 0.. {
        let entry = entry(i);
        if text.len() + entry.len() + 40 > 1 << 18 {
            break;
        }
        text.push_str(if i == 0 { "" } else { "," });
        text.push_str(&entry);
    }
    text + "}"
}

#[test]
fn a_model_and_its_sessions_cost_no_more_than_the_file() {
    let wide = Shape { hidden: 256, heads: 1, inner: 8, layers: 2, ..Shape::TINY };
    let bare = Shape { gate: false, conv: false, final_norm: false, matrices: F16, ..wide };
    let many = Shape { items: 20_000, text: true, ..Shape::TINY };
    for shape in [wide, bare, many, Shape { positions: "none", ..bare }] {
        let bytes = ModelFile::random(&shape).to_bytes();
        let size = bytes.len();
        let (loading, model) = peak(|| Arc::new(Model::from_bytes(bytes).unwrap()));
        // The largest layer exists twice while it is packed. 64 KiB are for the header.
        assert!(loading <= 2 * size + (1 << 16), "{loading} bytes to load {size}");
        let (verifying, verified) = peak(|| model.verify());
        verified.unwrap();
        assert!(verifying <= size + (1 << 16), "{verifying} bytes to verify {size}");
        let (holding, mut session) = peak(|| Session::new(Arc::clone(&model)));
        assert!(holding <= size, "{holding} bytes per session, {size} in the file");

        let everything: Vec<_> = (0..shape.items as u32).collect();
        let (seeing, ()) = peak(|| session.extend(&everything).unwrap());
        assert!(seeing <= 16 * shape.items, "{seeing} bytes to have seen everything");
        let filter = Filter::unseen().allow(&everything).deny(&everything);
        let (ranking, _) = peak(|| session.top_k(usize::MAX, &filter).unwrap());
        assert!(ranking <= 32 * shape.items + 4096, "{ranking} bytes to rank everything");
        let (storing, blob) = peak(|| session.snapshot());
        assert!(storing <= blob.len() + 4096, "{storing} bytes to store {}", blob.len());
    }
}

#[test]
fn an_overlay_costs_a_few_times_its_file() {
    for (text, hidden) in [(false, 8), (true, 8), (false, 64)] {
        let model = common::model(&Shape { text, hidden, ..Shape::TINY });
        overlay(&model, 5000);
        let overlay = model.overlay().unwrap();
        let file = overlay.to_bytes();
        let size = file.len();
        let (loading, read) = peak(|| Overlay::from_bytes(&model, &file).unwrap());
        assert!(loading <= 6 * size + (1 << 16), "{loading} bytes to load {size}");
        let (saving, ()) = peak(|| assert_eq!(overlay.to_bytes(), file));
        assert!(saving <= 3 * size + (1 << 16), "{saving} bytes to save {size}");
        let (holding, ()) = peak(|| model.set_overlay(read).unwrap());
        assert!(holding <= 4096, "{holding} bytes to take over an overlay of {size}");
    }
}

/// Counts in a snapshot are not trusted before they are checked against its length.
#[test]
fn a_snapshot_costs_no_more_than_its_length() {
    for shape in [Shape::TINY, Shape { kinds: 3, gaps: true, ..Shape::TINY }] {
        let model = common::model(&shape);
        let mut session = Session::new(Arc::clone(&model));
        session.set_log_capacity(9);
        session.extend(&Rng::new(1).events(20, &shape)).unwrap();
        let good = session.snapshot();
        for offset in 8..common::SNAPSHOT_HEADER {
            let mut blob = good.clone();
            blob[offset..(offset + 8).min(common::SNAPSHOT_HEADER)].fill(0xff);
            let (peak, outcome) = peak(|| session.restore(&blob));
            assert!(outcome.is_err());
            assert!(peak <= blob.len() + 4096, "{peak} bytes, counts at {offset}");
        }
        let (peak, outcome) = peak(|| session.restore(&good));
        outcome.unwrap();
        assert!(peak <= good.len() + 4096);
    }
}
