//! Fleets: bit identity with single sessions for any batches of users, errors, and the file.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{ModelFile, Rng, SHAPES, Shape, assert_says, bits, model, models};
use recgrela::{
    Error, ErrorKind, Filter, Fleet, Groups, ItemId, Model, Overlay, Quota, Session, TopK,
};

/// The same number of sessions, appended to one at a time.
struct Singles(Vec<Session>);

impl Singles {
    fn new(model: &Arc<Model>, users: u32) -> Self {
        Self((0..users).map(|_| Session::new(Arc::clone(model))).collect())
    }

    fn append(&mut self, users: &[u32], items: &[u32]) {
        for (&user, &item) in users.iter().zip(items) {
            self.0[user as usize].append(item).unwrap();
        }
    }
}

fn fleet(model: &Arc<Model>, capacity: u32) -> Fleet {
    Fleet::new(Arc::clone(model), capacity).unwrap()
}

/// A fleet in which some users have histories.
fn filled(model: &Arc<Model>, capacity: u32, seed: u64) -> Fleet {
    let mut fleet = fleet(model, capacity);
    let rng = &mut Rng::new(seed);
    let users = rng.items(2 * capacity as usize / 3, capacity as usize);
    fleet.append(&users, &rng.items(users.len(), model.num_items())).unwrap();
    fleet
}

/// A user's complete contents, bit for bit.
fn user(fleet: &Fleet, user: u32) -> Vec<u8> {
    fleet.session(user).unwrap().snapshot()
}

fn everything(fleet: &Fleet) -> Vec<Vec<u8>> {
    (0..fleet.capacity()).map(|index| user(fleet, index)).collect()
}

#[test]
fn batches_have_the_bits_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(11);
            let (mut fleet, mut singles) = (fleet(&model, 40), Singles::new(&model, 40));
            // All kinds of tiles: none, one, odd, several; users once and many times.
            for count in [0, 1, 2, 7, 33, 100] {
                let users = rng.items(count, 40);
                let items = rng.items(count, shape.items);
                fleet.append(&users, &items).unwrap();
                singles.append(&users, &items);
            }
            let (everyone, items) = ((0..40).collect::<Vec<_>>(), rng.items(40, shape.items));
            fleet.append(&everyone, &items).unwrap();
            singles.append(&everyone, &items);
            for (user, session) in (0..).zip(&singles.0) {
                let copy = fleet.session(user).unwrap();
                assert_eq!(copy.snapshot(), session.snapshot(), "user {user}, {shape:?}");
                let found = bits(fleet.user_vector(user).unwrap());
                assert_eq!(found, bits(session.user_vector().unwrap()));
                assert_eq!(fleet.seen(user).unwrap(), session.seen());
                assert_eq!(fleet.events(user).unwrap(), session.events());
                let scores = session.score(&items).unwrap();
                assert_eq!(bits(&fleet.score(user, &items).unwrap()), bits(&scores));
            }
        }
    }
}

#[test]
fn one_user_may_have_all_the_events() {
    for model in models(&Shape::BASE) {
        let rng = &mut Rng::new(2);
        let (mut fleet, mut singles) = (fleet(&model, 3), Singles::new(&model, 3));
        let mut users = vec![1; 50];
        users.extend([0, 1, 2, 2, 1, 0]);
        let items = rng.items(users.len(), model.num_items());
        fleet.append(&users, &items).unwrap();
        singles.append(&users, &items);
        for index in 0..3 {
            assert_eq!(user(&fleet, index), singles.0[index as usize].snapshot());
        }
    }
}

#[test]
fn rankings_are_those_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(5);
            let mut fleet = fleet(&model, 50);
            let all: Vec<_> = (0..50).chain(rng.items(300, 50)).collect();
            fleet.append(&all, &rng.items(all.len(), shape.items)).unwrap();
            let sessions: Vec<_> = (0..50).map(|user| fleet.session(user).unwrap()).collect();
            let (few, many) = (rng.items(3, shape.items), rng.items(2 * shape.items, shape.items));
            let groups: Vec<_> = (0..shape.items).map(|_| rng.below(6) as i64).collect();
            let groups = Groups::new(&model, &groups).unwrap();
            let mut rankings = vec![TopK::new(); 3];
            for (count, k) in [(0, 5), (1, 10), (2, 0), (7, 1), (33, 10), (70, usize::MAX)] {
                let users = rng.items(count, 50);
                for (exclude_seen, limit) in [(false, None), (true, None), (true, Some(2))] {
                    let quota = limit.map(|limit| Quota { groups: &groups, limit });
                    for allow in [None, Some(&[][..]), Some(&few[..]), Some(&many[..])] {
                        for deny in [&[][..], &many[..shape.items / 2]] {
                            let mut filter =
                                Filter::default().exclude_seen(exclude_seen).deny(deny);
                            (filter.allow, filter.quota) = (allow, quota);
                            fleet.top_k_into(&users, k, &filter, &mut rankings).unwrap();
                            assert_eq!(rankings.len(), count);
                            for (&user, ranking) in users.iter().zip(&rankings) {
                                let expected = sessions[user as usize].top_k(k, &filter).unwrap();
                                assert_eq!(ranking.items(), expected, "k {k}, {filter:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn sessions_go_in_and_out() {
    let model = model(&Shape::BASE);
    let mut fleet = filled(&model, 9, 1);
    let session = common::session(&model, 20, 8);
    fleet.set(4, &session).unwrap();
    assert_eq!(user(&fleet, 4), session.snapshot());
    fleet.append(&[4], &[7]).unwrap();
    let mut longer = session.clone();
    longer.append(7).unwrap();
    assert_eq!(user(&fleet, 4), longer.snapshot());

    let neighbours = [user(&fleet, 3), user(&fleet, 5)];
    fleet.reset(4).unwrap();
    assert_eq!(user(&fleet, 4), Session::new(Arc::clone(&model)).snapshot());
    assert_eq!([user(&fleet, 3), user(&fleet, 5)], neighbours);

    let other = common::model(&Shape { layers: 1, ..Shape::BASE });
    let error = fleet.set(5, &Session::new(other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
    assert_eq!(user(&fleet, 5), neighbours[1]);
}

/// A model file may be open twice, with an overlay on only one of the models.
#[test]
fn a_session_with_items_that_the_fleet_does_not_know_is_refused() {
    let (overlaid, bare) = (model(&Shape::TINY), model(&Shape::TINY));
    let add = |model: &Model, ids: &[i64]| {
        let ids: Vec<_> = ids.iter().map(|&id| ItemId::Int(id)).collect();
        model.update_overlay(|overlay| overlay.add(&ids, &vec![0.5; 8 * ids.len()])).unwrap();
    };
    add(&overlaid, &[7001, 7002]);
    let mut session = common::session(&overlaid, 5, 1);
    let mut fleet = filled(&bare, 3, 1);
    fleet.set(0, &session).expect("it has no added item yet");
    session.append(34).unwrap();
    let before = everything(&fleet);
    for (ids, found) in [(&[][..], 0), (&[7001], 1)] {
        add(&bare, ids);
        let error = fleet.set(0, &session).unwrap_err();
        assert_says(
            &error,
            ErrorKind::Overlay,
            &format!("found {found} in the active overlay, expected the 2"),
        );
        assert!(error.to_string().contains("expected the 2 of the history"), "{error}");
        assert_eq!(everything(&fleet), before);
    }
    add(&bare, &[7002]);
    fleet.set(0, &session).unwrap();
    assert_eq!(user(&fleet, 0), session.snapshot());
    let scores = fleet.score(0, &[34, 5]).unwrap();
    assert_eq!(bits(&scores), bits(&session.score(&[34, 5]).unwrap()));
}

/// Two models may state the same fingerprint, which only `verify` detects.
#[test]
fn a_borrowed_fingerprint_does_not_pass() {
    let mut file = ModelFile::random(&Shape { layers: 1, ..Shape::BASE });
    let model = model(&Shape::BASE);
    file.fingerprint = Some(model.fingerprint().to_string());
    let other = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let error = fleet(&model, 1).set(0, &Session::new(other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
}

#[test]
fn errors_change_nothing() {
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model, 6);
    fleet.append(&[0, 1, 3, 5, 5], &[1, 2, 3, 4, 5]).unwrap();
    let before = everything(&fleet);
    let refused = [
        fleet.append(&[0, 6], &[1, 1]).unwrap_err(),
        fleet.append(&[0, 1], &[1, 33]).unwrap_err(),
        fleet.append(&[0, 1], &[1]).unwrap_err(),
        fleet.top_k(&[0, 6], 3, &Filter::default()).unwrap_err(),
        fleet.top_k(&[2], 3, &Filter::default()).unwrap_err(),
        fleet.top_k(&[], 3, &Filter::default().deny(&[33])).unwrap_err(),
        fleet.top_k(&[5, 4, 2, 0, 4], 3, &Filter::default()).unwrap_err(),
        fleet.score(2, &[1]).unwrap_err(),
        fleet.score(5, &[33]).unwrap_err(),
        fleet.user_vector(6).unwrap_err(),
        fleet.reset(6).unwrap_err(),
        fleet.session(6).unwrap_err(),
    ];
    let texts = refused.map(|error| error.to_string());
    let named = [
        "found 6, expected less than the capacity, 6",
        "found 33, expected less than 33",
        "found 1, expected 2",
        "found 6",
        "user 2 has no events",
        "found 33",
        "users [2, 4] have no events",
        "user 2 has no events",
        "found 33",
        "found 6",
        "found 6",
        "found 6",
    ];
    for (text, named) in texts.iter().zip(named) {
        assert!(text.contains(named), "{text} does not have {named}");
    }
    assert_eq!(everything(&fleet), before);
}

#[test]
fn of_many_users_without_events_the_first_are_named() {
    let fleet = fleet(&model(&Shape::TINY), 100);
    let everyone: Vec<_> = (0..100).collect();
    let error = fleet.top_k(&everyone, 1, &Filter::default()).unwrap_err();
    assert_says(&error, ErrorKind::NoEvents, "18, 19] and 80 more have no events");
}

#[test]
fn memory_is_stated_and_a_capacity_beyond_it_is_refused() {
    let model = model(&Shape { layers: 4, ..Shape::BASE });
    let mut fleet = fleet(&model, 10);
    // 20 KiB of state, 256 bytes of hidden vector, the event count and an empty list.
    let empty = 10 * (20_480 + 256 + 8 + size_of::<Vec<u32>>());
    assert_eq!(fleet.state_bytes(), empty);
    fleet.append(&[3, 3], &[1, 1]).unwrap();
    assert!((empty + 4..empty + 64).contains(&fleet.state_bytes()));
    drop(fleet);
    let wide = common::model(&Shape { hidden: 104, heads: 1, layers: 4, ..Shape::BASE });
    match Fleet::new(wide, u32::MAX) {
        // The operating system may overcommit, but the memory is not used.
        Ok(fleet) => assert_eq!(fleet.capacity(), u32::MAX),
        Err(error) => assert!(error.to_string().contains("smaller capacity"), "{error}"),
    }
}

/// A separate file for each test.
fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("users.fleet")
}

#[test]
fn a_saved_fleet_continues_with_the_same_bits() {
    let path = path("roundtrip");
    for shape in &SHAPES {
        let model = model(shape);
        let mut saved = filled(&model, 25, 4);
        saved.save(&path).unwrap();
        saved.save(&path).unwrap();
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside the file");
        let mut loaded = Fleet::open(&path, Arc::clone(&model), 25).unwrap();
        assert_eq!(everything(&loaded), everything(&saved));
        let rng = &mut Rng::new(3);
        let (users, items) = (rng.items(60, 25), rng.items(60, shape.items));
        saved.append(&users, &items).unwrap();
        loaded.append(&users, &items).unwrap();
        assert_eq!(everything(&loaded), everything(&saved));
    }
}

#[test]
fn only_users_with_events_are_stored_and_the_capacity_may_change() {
    let path = path("capacity");
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model, 1000);
    fleet.save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 136);
    fleet.append(&[6, 2, 2], &[5, 9, 8]).unwrap();
    fleet.save(&path).unwrap();
    let around = common::SNAPSHOT_HEADER + 32 + 4 * 2; // header, checksum and two seen items
    let numbers = (fleet.session(2).unwrap().snapshot().len() - around) as u64;
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 136 + 2 * (16 + numbers) + 4 * 3);
    let small = Fleet::open(&path, Arc::clone(&model), 7).unwrap();
    assert_eq!((user(&small, 2), user(&small, 6)), (user(&fleet, 2), user(&fleet, 6)));
    assert_eq!(small.events(0).unwrap(), 0);
    let error = Fleet::open(&path, Arc::clone(&model), 6).unwrap_err().to_string();
    assert!(error.contains("found user 6, expected 3 or more, less than 6"), "{error}");
    assert!(Fleet::open(&path, model, 1).unwrap_err().to_string().contains("2 users"));
}

#[test]
fn paths_that_cannot_be_used_are_named() {
    let model = model(&Shape::TINY);
    let missing = path("missing").with_file_name("no").join("users.fleet");
    let error = Fleet::open(&missing, Arc::clone(&model), 1).unwrap_err();
    assert!(error.to_string().starts_with("cannot read"), "{error}");
    for path in [missing, PathBuf::from("/")] {
        let error = fleet(&model, 1).save(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }
    // A folder blocks the rename: the new file is removed.
    let folder = path("folder");
    std::fs::create_dir(&folder).unwrap();
    assert!(fleet(&model, 1).save(&folder).is_err());
    assert_eq!(std::fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn histories_are_the_owners_and_a_replaced_file_keeps_its_mode() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let (path, model) = (path("mode"), model(&Shape::TINY));
    let mode = || metadata(&path).unwrap().permissions().mode() & 0o777;
    fleet(&model, 1).save(&path).unwrap();
    assert_eq!(mode(), 0o600);
    for former in [0o640, 0o400, 0o604] {
        set_permissions(&path, Permissions::from_mode(former)).unwrap();
        fleet(&model, 1).save(&path).unwrap();
        assert_eq!(mode(), former);
    }
    // A catalogue is not a history, so its mode follows the umask.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, []).unwrap();
    let usual = mode();
    std::fs::remove_file(&path).unwrap();
    Overlay::new(&model).save(&path).unwrap();
    assert_eq!(mode(), usual);
    set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Overlay::new(&model).save(&path).unwrap();
    assert_eq!(mode(), 0o600);
}

/// A fleet's file, and the offset of its first user.
fn stored(path: &PathBuf, model: &Arc<Model>) -> Vec<u8> {
    let mut fleet = fleet(model, 4);
    fleet.append(&[1, 3, 1, 1], &[5, 9, 8, 5]).unwrap();
    fleet.save(path).unwrap();
    std::fs::read(path).unwrap()
}

fn load(path: &PathBuf, bytes: &[u8], model: &Arc<Model>) -> Result<Fleet, Error> {
    std::fs::write(path, bytes).unwrap();
    Fleet::open(path, Arc::clone(model), 4)
}

#[test]
fn damaged_files_are_refused() {
    let path = path("damaged");
    let model = model(&Shape { hidden: 8, heads: 8, inner: 8, layers: 1, ..Shape::BASE });
    let good = stored(&path, &model);
    load(&path, &good, &model).unwrap();
    for length in 0..good.len() {
        load(&path, &good[..length], &model).expect_err("a cut file");
    }
    load(&path, &[&good[..], &[0; 4]].concat(), &model).expect_err("a longer file");
    for bit in 0..8 * good.len() {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        load(&path, &bytes, &model).expect_err("a flipped bit");
    }
    let other = common::model(&Shape { items: 99, ..Shape::BASE });
    let error = load(&path, &good, &other).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
}

/// Files with a matching checksum and invalid contents.
#[test]
fn forged_files_are_refused() {
    let path = path("forged");
    let model = model(&Shape { hidden: 8, heads: 8, inner: 8, layers: 1, ..Shape::BASE });
    let good = stored(&path, &model);
    let state = 4 * u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    let second = 104 + 16 + state + 8;
    let forgeries: [(&str, usize, &[u8], &str); 18] = [
        ("an added item", 64, &1_u64.to_le_bytes(), "found 0 in the active overlay"),
        ("many added items", 64, &u64::MAX.to_le_bytes(), "added items"),
        ("magic", 0, b"r", "magic"),
        ("version", 8, &2_u32.to_le_bytes(), "version 2"),
        ("more state", 12, &u32::MAX.to_le_bytes(), "4294967295 numbers"),
        ("more users than capacity", 16, &5_u64.to_le_bytes(), "5 users"),
        ("more users than bytes", 16, &3_u64.to_le_bytes(), "bytes"),
        ("counts that overflow", 24, &u64::MAX.to_le_bytes(), "bytes"),
        ("a digest of nothing", 72, &1_u8.to_le_bytes(), "digest without added items"),
        ("user past the last", 104, &4_u32.to_le_bytes(), "user 4"),
        ("the same user twice", second, &1_u32.to_le_bytes(), "user 1, expected 2"),
        ("no distinct items", 108, &0_u32.to_le_bytes(), "0 distinct items of user 1"),
        ("more items than events", 112, &1_u64.to_le_bytes(), "2 distinct items of user 1"),
        ("more items than stated", second + 4, &u32::MAX.to_le_bytes(), "4294967295 distinct"),
        ("fewer items than stated", 108, &1_u32.to_le_bytes(), "user"),
        ("NaN", 120, &f32::NAN.to_le_bytes(), "NaN in the state of user 1"),
        ("item past the last", second - 4, &100_u32.to_le_bytes(), "items of user 1"),
        ("the same item twice", second - 4, &5_u32.to_le_bytes(), "items of user 1"),
    ];
    for (what, offset, bytes, named) in forgeries {
        let blob = common::forged(&good, offset, bytes);
        let error = load(&path, &blob, &model).expect_err(what).to_string();
        assert!(error.contains(named), "{what}: {error}");
    }
}

#[test]
fn an_overflown_state_is_not_saved_over_a_good_file() {
    let path = path("overflow");
    let shape = Shape { items: 40, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let values: Vec<f32> = vec![f32::MAX; 8];
    file.put_f32("blocks.0.input.bias", &[8], &values);
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let mut fleet = fleet(&model, 3);
    fleet.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    fleet.append(&[1, 1, 1], &[1, 2, 3]).unwrap();
    let error = fleet.save(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "the state of user 1 is not finite");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    fleet.reset(1).unwrap();
    fleet.save(&path).unwrap();
}

#[test]
fn fleets_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Fleet>();
}
