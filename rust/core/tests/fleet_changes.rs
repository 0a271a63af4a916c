//! Logs of a fleet's users, saves of what has changed, and saves while the fleet is in use.

mod common;
mod paths;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use common::{Rng, SHAPES, Shape, assert_says, everything, model};
use paths::fleet_path;
use recgrela::{ErrorKind, Filter, Fleet, Model, Session};

/// Every user's complete contents by id: the order of users depends on earlier removals.
fn sorted(fleet: &Fleet) -> Vec<(String, Vec<u8>)> {
    let mut all = everything(fleet);
    all.sort_unstable();
    all
}

fn open(path: &Path, model: &Arc<Model>) -> Fleet {
    Fleet::open(path, Arc::clone(model)).unwrap()
}

/// Random events of users below `users`.
fn append(fleet: &mut Fleet, rng: &mut Rng, count: usize, users: usize) {
    let (users, num_items) = (rng.items(count, users), fleet.model().num_items());
    fleet.append(&users, &rng.items(count, num_items)).unwrap();
}

#[test]
fn saved_changes_load_as_the_fleet_was() {
    let path = fleet_path("changes-rounds");
    for shape in &SHAPES[..4] {
        let (model, rng) = (model(shape), &mut Rng::new(3));
        let mut fleet = Fleet::new(Arc::clone(&model));
        fleet.set_log_capacity(5);
        append(&mut fleet, rng, 60, 40);
        fleet.save(&path).unwrap();
        for round in 0..6 {
            append(&mut fleet, rng, 5, 60);
            for user in rng.items(4, 60) {
                fleet.remove(user).unwrap();
            }
            append(&mut fleet, rng, 2, 60); // some of them return
            let before = fs::metadata(&path).unwrap().len();
            fleet.save_changes(&path).unwrap();
            let written = fs::metadata(&path).unwrap().len() - before;
            assert!(written < before / 2, "{written} after {before}");
            let loaded = open(&path, &model);
            assert_eq!(sorted(&loaded), sorted(&fleet));
            assert_eq!((loaded.log_capacity(), loaded.interrupted_bytes()), (5, 0));
            if round % 2 == 1 {
                fleet = loaded; // which goes on where the other stopped
            }
        }
        let before = fs::metadata(&path).unwrap().len();
        fleet.save_changes(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), before, "nothing has changed");
        fleet.set_log_capacity(2);
        fleet.save_changes(&path).unwrap();
        assert_eq!(sorted(&open(&path, &model)), sorted(&fleet));
        fleet.save(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < before, "a full save compacts");
        assert_eq!(sorted(&open(&path, &model)), sorted(&fleet));
    }
}

/// After a crash the file ends anywhere in the last segment.
#[test]
fn a_cut_last_segment_is_ignored_and_overwritten() {
    let path = fleet_path("changes-cut");
    let (model, rng) = (model(&Shape::TINY), &mut Rng::new(5));
    let mut fleet = Fleet::new(Arc::clone(&model));
    append(&mut fleet, rng, 30, 20);
    fleet.save(&path).unwrap();
    append(&mut fleet, rng, 2, 20);
    fleet.save_changes(&path).unwrap();
    let (before, whole) = (sorted(&fleet), fs::read(&path).unwrap().len());
    append(&mut fleet, rng, 3, 25);
    fleet.save_changes(&path).unwrap();
    let after = sorted(&fleet);
    let bytes = fs::read(&path).unwrap();
    let load = |damaged: &[u8]| {
        fs::write(&path, damaged).unwrap();
        let loaded = open(&path, &model);
        assert_eq!(sorted(&loaded), before);
        assert_eq!(loaded.interrupted_bytes(), (damaged.len() - whole) as u64);
        loaded
    };
    let check = |damaged: &[u8]| {
        let mut loaded = load(damaged);
        loaded.append(&[77], &[1]).unwrap();
        loaded.save_changes(&path).unwrap();
        let again = open(&path, &model);
        assert_eq!(sorted(&again), sorted(&loaded));
        assert_eq!(again.interrupted_bytes(), 0);
    };
    for length in whole..bytes.len() {
        load(&bytes[..length]);
    }
    for length in [0, 1, 7, 8, 87, 88].map(|more| whole + more) {
        check(&bytes[..length]);
    }
    for less in [33, 32, 1] {
        check(&bytes[..bytes.len() - less]);
    }
    // The last word to be written is missing; and with it the rest may be anything.
    let mut uncommitted = bytes.clone();
    uncommitted[whole..whole + 8].fill(0);
    check(&uncommitted);
    uncommitted[whole + 8..].fill(0);
    check(&uncommitted);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(sorted(&open(&path, &model)), after);
}

/// What a crash does not explain is damage.
#[test]
fn damage_to_any_segment_is_refused() {
    let path = fleet_path("changes-damage");
    let (model, rng) = (model(&Shape::TINY), &mut Rng::new(6));
    let length = || fs::metadata(&path).unwrap().len() as usize;
    let mut fleet = Fleet::new(Arc::clone(&model));
    append(&mut fleet, rng, 4, 3);
    fleet.save(&path).unwrap();
    let first = length();
    append(&mut fleet, rng, 1, 3);
    fleet.remove(2).unwrap();
    fleet.save_changes(&path).unwrap();
    let second = length();
    append(&mut fleet, rng, 1, 3);
    fleet.save_changes(&path).unwrap();
    let good = fs::read(&path).unwrap();
    // One bit of every byte, or two.
    for bit in (0..8 * good.len()).step_by(7) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let error = Fleet::open(&path, Arc::clone(&model)).expect_err("a flipped bit");
        // Of the fingerprint, of the added items, of anything else.
        let kinds = [ErrorKind::OtherModel, ErrorKind::Overlay, ErrorKind::Fleet];
        assert!(kinds.contains(&error.kind()), "bit {bit}: {error}");
    }
    let mut zeroed = good.clone();
    zeroed[first..first + 8].fill(0);
    fs::write(&path, &zeroed).unwrap();
    let error = Fleet::open(&path, Arc::clone(&model)).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "a segment of 0 bytes");
    fs::write(&path, [&good[..first], &good[second..]].concat()).unwrap();
    let error = Fleet::open(&path, Arc::clone(&model)).expect_err("a missing segment");
    assert_says(&error, ErrorKind::Fleet, "checksum");
}

#[test]
fn changes_do_not_replace_those_of_another_fleet() {
    let (path, model) = (fleet_path("changes-twice"), model(&Shape::TINY));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.append(&[1, 2], &[1, 2]).unwrap();
    fleet.save(&path).unwrap();
    let whole = fs::metadata(&path).unwrap().len() as usize;
    fleet.append(&[1], &[3]).unwrap();
    fleet.save_changes(&path).unwrap();
    // Two fleets load the file after a crash. What they append is as long as what was lost.
    let mut torn = fs::read(&path).unwrap();
    torn[whole..whole + 8].fill(0);
    fs::write(&path, &torn).unwrap();
    let (mut one, mut other) = (open(&path, &model), open(&path, &model));
    one.append(&[1], &[4]).unwrap();
    other.append(&[1], &[5]).unwrap();
    one.save_changes(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), torn.len() as u64);
    let error = other.save_changes(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "call save, which replaces it");
    assert_eq!(sorted(&open(&path, &model)), sorted(&one));
    // While another fleet appends, the file is locked.
    one.append(&[2], &[6]).unwrap();
    let locked = fs::File::open(&path).unwrap();
    locked.lock().unwrap();
    let error = one.save_changes(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "call save, which replaces it");
    drop(locked);
    one.save_changes(&path).unwrap();
    assert_eq!(sorted(&open(&path, &model)), sorted(&one));
}

#[test]
fn a_failed_call_leaves_the_kind_of_the_ids() {
    let (path, model) = (fleet_path("changes-kind"), model(&Shape::TINY));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.append(&[1, 2], &[1, 2]).unwrap();
    fleet.save(&path).unwrap();
    for user in [1, 2] {
        fleet.remove(user).unwrap();
    }
    for _ in 0..2 {
        let error = fleet.append(&["a"], &[1]).unwrap_err();
        assert_says(&error, ErrorKind::UserKind, "expected an integer");
    }
    fleet.save_changes(&path).unwrap();
    assert!(open(&path, &model).is_empty());
    fleet.append(&[3], &[1]).unwrap();
    fleet.save_changes(&path).unwrap();
    assert_eq!(sorted(&open(&path, &model)), sorted(&fleet));
}

#[test]
fn a_removed_user_is_noted_once() {
    let (path, model) = (fleet_path("changes-removed"), model(&Shape::TINY));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.append(&[1, 2], &[1, 2]).unwrap();
    fleet.save(&path).unwrap();
    let length = || fs::metadata(&path).unwrap().len();
    for _ in 0..3 {
        let before = length();
        for _ in 0..50 {
            fleet.append(&[1], &[3]).unwrap();
            fleet.remove(1).unwrap();
        }
        fleet.save_changes(&path).unwrap();
        assert_eq!(length() - before, 88 + 8 + 32, "header, id, checksum");
        assert_eq!(sorted(&open(&path, &model)), sorted(&fleet));
    }
}

#[test]
fn dropped_logs_do_not_come_back() {
    let (path, model) = (fleet_path("changes-dropped"), model(&Shape::TINY));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.set_log_capacity(100);
    fleet.append(&[1, 1, 2], &[1, 2, 3]).unwrap();
    fleet.save(&path).unwrap();
    for capacity in [1, 100] {
        fleet.set_log_capacity(capacity);
    }
    fleet.save_changes(&path).unwrap();
    let loaded = open(&path, &model);
    assert_eq!(loaded.log_capacity(), 100);
    assert_eq!((loaded.log(1).unwrap(), loaded.log(2).unwrap()), (vec![2], vec![3]));
}

#[test]
fn changes_go_only_to_the_file_that_they_continue() {
    let (path, other) = (fleet_path("changes-other"), fleet_path("changes-another"));
    let model = model(&Shape::TINY);
    let mut fleet = Fleet::new(Arc::clone(&model));
    let error = fleet.save_changes(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "call save first");
    fleet.append(&["a", "b"], &[1, 2]).unwrap();
    fleet.save(&path).unwrap();
    fleet.save(&other).unwrap();
    fleet.append(&["a"], &[3]).unwrap();
    fleet.save_changes(&other).unwrap();
    // The first file lacks what the second one has.
    fleet.append(&["a"], &[3]).unwrap();
    let error = fleet.save_changes(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "call save, which replaces it");
    // Another fleet has appended to the file since.
    let mut second = open(&other, &model);
    second.append(&["c"], &[4]).unwrap();
    second.save_changes(&other).unwrap();
    let expected = sorted(&second);
    let error = fleet.save_changes(&other).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "call save, which replaces it");
    assert_eq!(sorted(&open(&other, &model)), expected);
    fs::remove_file(&other).unwrap();
    assert_says(&fleet.save_changes(&other).unwrap_err(), ErrorKind::Io, "cannot write");
    fleet.save(&other).unwrap();
    assert_eq!(sorted(&open(&other, &model)), sorted(&fleet));
}

#[test]
fn logs_are_those_of_sessions() {
    let (model, rng) = (model(&Shape::BASE), &mut Rng::new(8));
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.set_log_capacity(12);
    let mut sessions: Vec<_> = (0..9).map(|_| Session::new(Arc::clone(&model))).collect();
    sessions.iter_mut().for_each(|session| session.set_log_capacity(12));
    for _ in 0..8 {
        let (users, items) = (rng.items(9, 9), rng.items(9, 30));
        fleet.append(&users, &items).unwrap();
        for (&user, &item) in users.iter().zip(&items) {
            sessions[user as usize].append(item).unwrap();
        }
    }
    let (forgotten, mut complete) = (rng.items(10, 30), 0);
    for (user, session) in (0_u32..).zip(&mut sessions) {
        assert_eq!(fleet.log(user).unwrap(), session.log().collect::<Vec<_>>());
        assert_eq!(fleet.session(user).unwrap().snapshot(), session.snapshot());
        let outcome = session.forget(&forgotten);
        complete += usize::from(outcome.is_ok());
        let found = fleet.forget(user, &forgotten);
        assert_eq!(format!("{found:?}"), format!("{outcome:?}"));
        assert_eq!(fleet.session(user).unwrap().snapshot(), session.snapshot());
    }
    assert!((1..9).contains(&complete), "{complete}");
    let all: Vec<_> = (0..30).collect();
    let user = (0..9).find(|&user| fleet.forget(user, &all).is_ok()).unwrap();
    assert!(!fleet.contains(user), "nothing is left of it");
    let session = common::session(&model, 20, 1);
    fleet.set(0, &session).unwrap();
    assert!(fleet.log(0).unwrap().is_empty(), "the session kept none");
}

#[test]
fn a_fleet_moves_to_another_model_by_its_logs() {
    let (old, new) = (model(&Shape::BASE), model(&Shape { items: 60, layers: 1, ..Shape::BASE }));
    let rng = &mut Rng::new(4);
    let mut fleet = Fleet::new(Arc::clone(&old));
    assert!(fleet.migrate(Arc::clone(&new)).unwrap().is_empty());
    append(&mut fleet, rng, 3, 3);
    let error = fleet.migrate(Arc::clone(&new)).unwrap_err();
    assert_says(&error, ErrorKind::Log, "logs of only a part of their events");
    let mut fleet = Fleet::new(Arc::clone(&old));
    fleet.set_log_capacity(1000);
    append(&mut fleet, rng, 500, 50);
    let translate = |item| old.catalog().id(item).and_then(|id| new.catalog().index_of(id));
    let lacking = (0..100).find(|&item| translate(item).is_none()).unwrap();
    fleet.append(&[1000], &[lacking]).unwrap();
    let moved = fleet.migrate(Arc::clone(&new)).unwrap();
    for user in fleet.users() {
        let session = fleet.session(user).unwrap();
        let log: Vec<_> = session.log().map(translate).collect();
        let expected = Session::migrate(Arc::clone(&new), &session.snapshot(), &log).unwrap();
        assert_eq!(moved.session(user).unwrap().snapshot(), expected.snapshot(), "{user}");
    }
    assert!(fleet.contains(1000) && !moved.contains(1000));
    fleet.set_log_capacity(8);
    let error = fleet.migrate(Arc::clone(&new)).unwrap_err();
    assert_says(&error, ErrorKind::Log, "have logs of only a part of their events");
    let texts = model(&Shape { text: true, ..Shape::BASE });
    assert_says(&fleet.migrate(texts).unwrap_err(), ErrorKind::Log, "string item ids");
}

/// Queries and events go on while the fleet is saved, and every user in the file is whole.
#[test]
fn a_fleet_is_saved_while_it_is_used() {
    let (path, model) = (fleet_path("changes-used"), model(&Shape::BASE));
    let mut fleet = Fleet::new(Arc::clone(&model));
    let users: Vec<u32> = (0..800).collect();
    fleet.append(&users, &vec![1; users.len()]).unwrap();
    let (fleet, done) = (RwLock::new(fleet), AtomicBool::new(false));
    let (changes, queries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let rng = &mut Rng::new(1);
            while !done.load(Ordering::Relaxed) {
                // Every user keeps one kind of event, so its state depends on the number alone.
                let some = rng.items(20, 800);
                fleet.write().unwrap().append(&some, &vec![1; some.len()]).unwrap();
                fleet.write().unwrap().set_log_capacity(rng.below(4));
                let removed = rng.items(2, 800);
                removed.iter().for_each(|&user| {
                    fleet.write().unwrap().remove(user).unwrap();
                });
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let fleet = fleet.read().unwrap();
                let user = fleet.users().next().unwrap();
                fleet.top_k(&[user], 3, &Filter::default()).unwrap();
                queries.fetch_add(1, Ordering::Relaxed);
            }
        });
        let counts = || [&changes, &queries].map(|count| count.load(Ordering::Relaxed));
        let mut used = 0;
        // A save may be over before another thread had its turn.
        while used < 3 {
            let before = counts();
            Fleet::save_shared(&fleet, &path).unwrap();
            let after = counts();
            Fleet::save_changes_shared(&fleet, &path).unwrap();
            open(&path, &model);
            used += usize::from(before.iter().zip(after).all(|(before, after)| *before < after));
        }
        done.store(true, Ordering::Relaxed);
    });
    let fleet = fleet.into_inner().unwrap();
    let mut reference = Session::new(Arc::clone(&model));
    let mut snapshots = vec![reference.snapshot()];
    let loaded = open(&path, &model);
    for user in loaded.users() {
        let mut session = loaded.session(user).unwrap();
        session.set_log_capacity(0);
        while (snapshots.len() as u64) <= session.events() {
            reference.append(1).unwrap();
            snapshots.push(reference.snapshot());
        }
        assert_eq!(session.snapshot(), snapshots[session.events() as usize]);
    }
    fleet.save_changes(&path).unwrap();
    assert_eq!(sorted(&open(&path, &model)), sorted(&fleet));
}
