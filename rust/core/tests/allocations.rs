//! Appending and ranking allocate nothing after warm-up, and undoing never does.

// A global allocator cannot be written without it.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use common::{Rng, SHAPES, models};
use recgrela::{Filter, Groups, Quota, Session, TopK};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn append_and_top_k_allocate_nothing() {
    for shape in &SHAPES {
        for model in models(shape) {
            let items = Rng::new(1).items(200, shape.items);
            let mut session = Session::new(Arc::clone(&model));
            session.reserve_seen(shape.items);
            session.keep_undo(3).unwrap();
            session.keep_log(40);
            session.extend(&items[..40]).unwrap();
            let mut ranking = TopK::new();
            let groups: Vec<_> = (0..shape.items as i64).map(|item| item % 5).collect();
            let groups = Groups::new(&model, &groups).unwrap();
            let filters = [
                Filter::unseen(),
                Filter { allow: Some(&items[..50]), ..Filter::default() },
                Filter {
                    exclude_seen: true,
                    allow: Some(&items),
                    deny: &items[100..],
                    quota: None,
                },
                Filter { quota: Some(Quota { groups: &groups, limit: 2 }), ..Filter::unseen() },
            ];
            session.append(items[0]).unwrap();
            // The first query returns next to nothing, and still warms up for all.
            let starving = Filter { allow: Some(&items[..1]), ..Filter::default() };
            session.top_k_into(20, &starving, &mut ranking).unwrap();
            session.top_k_into(1, &filters[2], &mut ranking).unwrap();
            session.top_k_into(20, &filters[3], &mut ranking).unwrap();
            let mut scores = [0.0; 50];

            let before = ALLOCATIONS.get();
            for &item in &items {
                session.append(item).unwrap();
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
