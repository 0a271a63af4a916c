//! Threads that share a query allocate for the catalogue's items once, not once per thread.

// A global allocator requires it.
#![allow(unsafe_code)]
#![cfg(feature = "threads")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::{ModelFile, Rng, Shape};
use recgrela::{Filter, Groups, Model, Quota, TopK};

/// Bytes allocated by all threads; this file has only one test.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is forwarded to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn threads_share_the_memory_of_a_query_and_use_it_again() {
    const ITEMS: usize = 120_000;
    let mut file = ModelFile::random(&Shape { items: ITEMS, ..Shape::TINY });
    let ids: Vec<_> = (0..ITEMS).map(|item| item.to_string()).collect();
    file.put_ids(&ids, false);
    let model = std::sync::Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let session = common::session(&model, 9, 2);
    let numbers: Vec<_> = Rng::new(1).items(ITEMS, ITEMS).into_iter().map(i64::from).collect();
    let groups = Groups::new(&model, &numbers).unwrap();
    let mut ranking = TopK::new();
    let mut ask = |filter: &Filter<'_>| {
        let before = ALLOCATED.load(Relaxed);
        ranking = std::mem::take(&mut ranking).with_threads(256);
        session.top_k_into(usize::MAX, filter, &mut ranking).unwrap();
        ALLOCATED.load(Relaxed) - before
    };
    let quota = Quota { groups: &groups, limit: 1 };
    for filter in [Filter::default(), Filter::default().quota(quota)] {
        // 8 bytes each for ranking, list and merged list, doubled while growing; 24 per group count.
        let first = ask(&filter);
        assert!(first <= 200 * ITEMS, "{first} bytes");
        let again = ask(&filter);
        assert!(again <= ITEMS, "{again} bytes for the same query");
    }
}
