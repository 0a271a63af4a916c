//! Fleets: bit identity with single sessions for any batches of users, errors, and the file.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::{ModelFile, Rng, SHAPES, Shape, assert_says, bits, model, models};
use recgrela::{
    Error, ErrorKind, Filter, Fleet, FleetFilter, Groups, ItemId, Model, Overlay, Quota, Session,
    TopK, UserId,
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

fn fleet(model: &Arc<Model>) -> Fleet {
    Fleet::new(Arc::clone(model))
}

/// A fleet with some of the users below `users`.
fn filled(model: &Arc<Model>, users: usize, seed: u64) -> Fleet {
    let mut fleet = fleet(model);
    let rng = &mut Rng::new(seed);
    let users = rng.items(2 * users / 3, users);
    fleet.append(&users, &rng.items(users.len(), model.num_items())).unwrap();
    fleet
}

/// A user's complete contents, bit for bit.
fn user<'a>(fleet: &Fleet, user: impl Into<UserId<'a>>) -> Vec<u8> {
    fleet.session(user).unwrap().snapshot()
}

fn everything(fleet: &Fleet) -> Vec<(String, Vec<u8>)> {
    fleet.users().map(|id| (id.to_string(), user(fleet, id))).collect()
}

#[test]
fn batches_have_the_bits_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(11);
            let (mut fleet, mut singles) = (fleet(&model), Singles::new(&model, 40));
            // All kinds of tiles: none, one, odd, several; users once and many times.
            for count in [0, 1, 2, 7, 33, 100] {
                let users = rng.items(count, 40);
                let items = rng.items(count, shape.items);
                fleet.append(&users, &items).unwrap();
                singles.append(&users, &items);
            }
            let (everyone, items) = ((0..40).collect::<Vec<u32>>(), rng.items(40, shape.items));
            fleet.append(&everyone, &items).unwrap();
            singles.append(&everyone, &items);
            for (user, session) in (0_u32..).zip(&singles.0) {
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
        let (mut fleet, mut singles) = (fleet(&model), Singles::new(&model, 3));
        let mut users = vec![1; 50];
        users.extend([0, 1, 2, 2, 1, 0]);
        let items = rng.items(users.len(), model.num_items());
        fleet.append(&users, &items).unwrap();
        singles.append(&users, &items);
        for index in 0..3 {
            assert_eq!(user(&fleet, index as u32), singles.0[index].snapshot());
        }
    }
}

#[test]
fn rankings_are_those_of_single_sessions() {
    for shape in &SHAPES {
        for model in models(shape) {
            let rng = &mut Rng::new(5);
            let mut fleet = fleet(&model);
            let all: Vec<u32> = (0..50).chain(rng.items(300, 50)).collect();
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
    assert!(fleet.remove(4).unwrap());
    assert!(!fleet.remove(4).unwrap());
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
    let error = fleet(&model).set(0, &Session::new(other)).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "fleet: found model");
}

#[test]
fn errors_change_nothing() {
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model);
    fleet.append(&[0, 1, 3, 5, 5], &[1, 2, 3, 4, 5]).unwrap();
    let before = everything(&fleet);
    let (two, skipping) = ([vec![1], vec![33]], FleetFilter::default().skip_without_history(true));
    let refused = [
        fleet.append(&[0, 6], &[1, 33]).unwrap_err(),
        fleet.append(&[7, 8], &[1]).unwrap_err(),
        fleet.append(&[UserId::Int(9), UserId::Str("a\n")], &[1, 1]).unwrap_err(),
        fleet.top_k(&["a"], 3, skipping).unwrap_err(),
        fleet.top_k(&[0, 6], 3, &Filter::default()).unwrap_err(),
        fleet.top_k::<i64>(&[], 3, &Filter::default().deny(&[33])).unwrap_err(),
        fleet.top_k(&[5, 4, 2, 0, 4], 3, &Filter::default()).unwrap_err(),
        fleet.top_k(&[0], 3, FleetFilter::default().deny_each(&two)).unwrap_err(),
        fleet.top_k(&[0, 1], 3, FleetFilter::default().deny_each(&two)).unwrap_err(),
        fleet.check_history(&[2, 0]).unwrap_err(),
        fleet.score(2, &[1]).unwrap_err(),
        fleet.score(5, &[33]).unwrap_err(),
        fleet.user_vector(6).unwrap_err(),
        fleet.remove("b").unwrap_err(),
        fleet.events("b").unwrap_err(),
    ];
    let texts = refused.map(|error| error.to_string());
    let named = [
        "found 33, expected less than 33",
        "found 1, expected 2",
        r#"user id "a\n": found a string, expected an integer, as the other users have"#,
        "found a string",
        "user 6 has no events",
        "found 33",
        "users 2, 4 have no events",
        "found 2, expected 1, one per user",
        "found 33",
        "user 2 has no events",
        "user 2 has no events",
        "found 33",
        "user 6 has no events",
        "found a string",
        "found a string",
    ];
    for (text, named) in texts.iter().zip(named) {
        assert!(text.contains(named), "{text} does not have {named}");
    }
    assert_eq!(everything(&fleet), before);
}

#[test]
fn users_are_ids_of_one_kind() {
    let model = model(&Shape::TINY);
    let mut fleet = fleet(&model);
    let error = fleet.append(&[UserId::Str("a"), UserId::Int(1)], &[1, 1]).unwrap_err();
    assert_says(&error, ErrorKind::UserKind, "user id 1: found an integer, expected a string");
    assert!(fleet.is_empty());
    // Nothing was added, so the kind is still open.
    fleet.append(&[i64::MIN, -1, 7], &[1, 2, 3]).unwrap();
    assert_eq!(
        fleet.users().map(|id| id.to_string()).collect::<Vec<_>>(),
        [i64::MIN.to_string(), "-1".to_owned(), "7".to_owned()]
    );
    assert!(fleet.contains(-1) && !fleet.contains(0) && !fleet.contains("7"));
    assert_eq!((fleet.events(0).unwrap(), fleet.seen(0).unwrap()), (0, &[][..]));
    assert_eq!(user(&fleet, 0), Session::new(Arc::clone(&model)).snapshot());
    for id in [i64::MIN, -1, 7] {
        assert!(fleet.remove(id).unwrap());
    }
    fleet.append(&["a"], &[4]).expect_err("integers, also without users");
    let mut texts = Fleet::new(model);
    texts.append(&["", "Ünï"], &[4, 5]).unwrap();
    assert_eq!((texts.len(), texts.seen("Ünï").unwrap()), (2, &[5][..]));
}

/// A large call is processed in pieces.
#[test]
fn a_call_of_any_length_has_the_same_bits() {
    let model = model(&Shape::TINY);
    let rng = &mut Rng::new(12);
    let (users, items) = (rng.items(40_000, 60), rng.items(40_000, model.num_items()));
    let (mut at_once, mut in_parts) = (fleet(&model), fleet(&model));
    at_once.append(&users, &items).unwrap();
    for (users, items) in users.chunks(999).zip(items.chunks(999)) {
        in_parts.append(users, items).unwrap();
    }
    assert_eq!(everything(&at_once), everything(&in_parts));
}

/// The last user takes the slot of a removed one, across chunks.
#[test]
fn removing_users_leaves_the_others_as_they_were() {
    let model = model(&Shape::TINY);
    let users = 40_000; // more than two chunks
    let all: Vec<u32> = (0..users).collect();
    let rng = &mut Rng::new(7);
    let items = rng.items(all.len(), model.num_items());
    let mut fleet = fleet(&model);
    fleet.append(&all, &items).unwrap();
    fleet.append(&all, &items).unwrap();
    let removed = rng.items(30_000, users as usize);
    let mut left: std::collections::HashSet<u32> = all.iter().copied().collect();
    for &id in &removed {
        assert_eq!(fleet.remove(id).unwrap(), left.remove(&id));
    }
    assert_eq!(fleet.len(), left.len());
    let mut again = Fleet::new(Arc::clone(&model));
    again.append(&all, &items).unwrap();
    again.append(&all, &items).unwrap();
    for &id in left.iter().take(2000) {
        assert_eq!(user(&fleet, id), user(&again, id));
    }
    // A removed user starts anew.
    let returned = removed[0];
    fleet.append(&[returned], &[3]).unwrap();
    let mut alone = Session::new(model);
    alone.append(3).unwrap();
    assert_eq!(user(&fleet, returned), alone.snapshot());
}

#[test]
fn per_user_lists_and_users_without_history() {
    for model in models(&Shape::BASE) {
        let rng = &mut Rng::new(9);
        let mut fleet = fleet(&model);
        let users: Vec<u32> = (0..45).filter(|user| user % 4 != 1).collect();
        fleet.append(&users, &rng.items(users.len(), model.num_items())).unwrap();
        let asked = rng.items(70, 45);
        let deny: Vec<_> = asked.iter().map(|_| rng.items(20, model.num_items())).collect();
        let groups: Vec<_> = (0..model.num_items()).map(|_| rng.below(6) as i64).collect();
        let groups = Groups::new(&model, &groups).unwrap();
        let common = rng.items(9, model.num_items());
        for (exclude_seen, limit) in [(false, None), (true, None), (true, Some(1))] {
            let mut filter = Filter::default().exclude_seen(exclude_seen).deny(&common);
            filter.quota = limit.map(|limit| Quota { groups: &groups, limit });
            let each = FleetFilter::from(&filter).deny_each(&deny).skip_without_history(true);
            let found = fleet.top_k(&asked, 7, each).unwrap();
            for ((&user, own), found) in asked.iter().zip(&deny).zip(&found) {
                let all: Vec<_> = own.iter().chain(&common).copied().collect();
                let session = fleet.session(user).unwrap();
                let expected = session.top_k(7, &filter.deny(&all)).unwrap_or_default();
                assert_eq!(*found, expected, "user {user}");
                assert_eq!(found.is_empty(), user % 4 == 1);
            }
        }
    }
}

#[test]
fn of_many_users_without_events_the_first_are_named() {
    let fleet = fleet(&model(&Shape::TINY));
    let everyone: Vec<u32> = (0..100).collect();
    let error = fleet.top_k(&everyone, 1, &Filter::default()).unwrap_err();
    assert_says(&error, ErrorKind::NoEvents, "18, 19 and 80 more have no events");
}

#[test]
fn memory_is_that_of_the_users() {
    let model = model(&Shape { layers: 4, ..Shape::BASE });
    let mut fleet = fleet(&model);
    fleet.reserve(10).unwrap();
    assert_eq!(fleet.state_bytes(), 0);
    fleet.append(&[3, 3], &[1, 1]).unwrap();
    // 20 KiB of state, 256 bytes of hidden vector, one item.
    assert_eq!(fleet.state_bytes(), 20_480 + 256 + 4);
    let error = fleet.reserve(usize::MAX).unwrap_err();
    assert_says(&error, ErrorKind::OutOfMemory, "cannot allocate memory for");
    assert_eq!(fleet.len(), 1);
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
        let mut loaded = Fleet::open(&path, Arc::clone(&model)).unwrap();
        assert_eq!(everything(&loaded), everything(&saved));
        let rng = &mut Rng::new(3);
        let (users, items) = (rng.items(60, 25), rng.items(60, shape.items));
        saved.append(&users, &items).unwrap();
        loaded.append(&users, &items).unwrap();
        assert_eq!(everything(&loaded), everything(&saved));
    }
}

#[test]
fn ids_of_both_kinds_are_in_the_file() {
    let path = path("kinds");
    let model = model(&Shape::TINY);
    let open = || Fleet::open(&path, Arc::clone(&model)).unwrap();
    fleet(&model).save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), HEADER + SEGMENT + 32);
    assert!(open().is_empty());
    let mut numbers = fleet(&model);
    numbers.append(&[i64::MIN, 6, -2, -2], &[5, 9, 8, 8]).unwrap();
    numbers.save(&path).unwrap();
    assert_eq!(everything(&open()), everything(&numbers));
    let mut texts = fleet(&model);
    texts.append(&["", "日本", "a b\n"], &[5, 9, 8]).unwrap();
    texts.save(&path).unwrap();
    assert_eq!(everything(&open()), everything(&texts));
    let error = open().append(&[1], &[1]).unwrap_err();
    assert_says(&error, ErrorKind::UserKind, "expected a string");
}

#[test]
fn paths_that_cannot_be_used_are_named() {
    let model = model(&Shape::TINY);
    let missing = path("missing").with_file_name("no").join("users.fleet");
    let error = Fleet::open(&missing, Arc::clone(&model)).unwrap_err();
    assert!(error.to_string().starts_with("cannot read"), "{error}");
    for path in [missing, PathBuf::from("/")] {
        let error = fleet(&model).save(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }
    // A folder blocks the rename: the new file is removed.
    let folder = path("folder");
    std::fs::create_dir(&folder).unwrap();
    assert!(fleet(&model).save(&folder).is_err());
    assert_eq!(std::fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn histories_are_the_owners_and_a_replaced_file_keeps_its_mode() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let (path, model) = (path("mode"), model(&Shape::TINY));
    let mode = || metadata(&path).unwrap().permissions().mode() & 0o777;
    fleet(&model).save(&path).unwrap();
    assert_eq!(mode(), 0o600);
    for former in [0o640, 0o400, 0o604] {
        set_permissions(&path, Permissions::from_mode(former)).unwrap();
        fleet(&model).save(&path).unwrap();
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

/// Bytes of the header of a file, and of that of a segment.
const HEADER: u64 = 48;
const SEGMENT: u64 = 88;

/// The file of a fleet with two users.
fn stored(path: &PathBuf, model: &Arc<Model>) -> Vec<u8> {
    let mut fleet = fleet(model);
    fleet.append(&[1, 3, 1, 1], &[5, 9, 8, 5]).unwrap();
    fleet.save(path).unwrap();
    std::fs::read(path).unwrap()
}

fn load(path: &PathBuf, bytes: &[u8], model: &Arc<Model>) -> Result<Fleet, Error> {
    std::fs::write(path, bytes).unwrap();
    Fleet::open(path, Arc::clone(model))
}

/// The file with other bytes at an offset, and its checksum recomputed.
fn forged(file: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut file = file.to_vec();
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    let (header, rest) = file.split_at_mut(HEADER as usize);
    let (segment, rest) = rest.split_at_mut(SEGMENT as usize);
    let (body, checksum) = rest.split_at_mut(rest.len() - 32);
    let hash = Sha256::new().chain_update(Sha256::digest(&*header));
    checksum.copy_from_slice(&hash.chain_update(&*body).chain_update(&*segment).finalize());
    file
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
    load(&path, &[&good[..], &[1; 88]].concat(), &model).expect_err("a longer file");
    // One bit of every byte, or two.
    for bit in (0..8 * good.len()).step_by(7) {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        load(&path, &bytes, &model).expect_err("a flipped bit");
    }
    let other = common::model(&Shape { items: 99, ..Shape::BASE });
    let error = load(&path, &good, &other).unwrap_err();
    assert_says(&error, ErrorKind::OtherModel, "migrate its logs, or append the events again");
}

/// Files with a matching checksum and invalid contents.
#[test]
fn forged_files_are_refused() {
    let path = path("forged");
    let model = model(&Shape { hidden: 8, heads: 8, inner: 8, layers: 1, ..Shape::BASE });
    let good = stored(&path, &model);
    let state = 4 * u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    // Per user: id, events, distinct items, events in the log, state, items.
    let first = 136;
    let items = first + 32 + state;
    let second = items + 2 * 4;
    let forgeries: [(&str, usize, &[u8], &str); 22] = [
        ("magic", 0, b"r", "magic"),
        ("version", 8, &3_u32.to_le_bytes(), "version 3"),
        ("old version", 8, &1_u32.to_le_bytes(), "version 1, which has no user ids, expected 2"),
        ("more state", 12, &u32::MAX.to_le_bytes(), "4294967295 numbers"),
        ("uncommitted", 48, &0_u64.to_le_bytes(), "a segment of 0 bytes"),
        ("another length", 56, &0_u64.to_le_bytes(), "bytes, expected 0"),
        ("more users", 64, &3_u64.to_le_bytes(), "bytes left"),
        ("fewer users", 64, &1_u64.to_le_bytes(), "bytes after the last user"),
        ("removed users", 72, &1_u64.to_le_bytes(), "1 removed users"),
        ("texts", 80, &2_u64.to_le_bytes(), "distinct items of user"),
        ("another kind", 80, &3_u64.to_le_bytes(), "kind 3"),
        ("an added item", 96, &1_u64.to_le_bytes(), "found 0 in the active overlay"),
        ("many added items", 96, &u64::MAX.to_le_bytes(), "added items"),
        ("a digest of nothing", 104, &1_u8.to_le_bytes(), "digest without added items"),
        ("the same user twice", second, &1_u64.to_le_bytes(), "user 1 twice"),
        ("no distinct items", first + 16, &0_u64.to_le_bytes(), "0 distinct items of user 1"),
        ("more items than events", first + 8, &1_u64.to_le_bytes(), "2 distinct items of user 1"),
        ("many items", first + 16, &u64::MAX.to_le_bytes(), "distinct items of user 1"),
        ("more log than events", first + 24, &4_u64.to_le_bytes(), "4 events in the log"),
        ("NaN", first + 32, &f32::NAN.to_le_bytes(), "NaN in the state of user 1"),
        ("item past the last", items + 4, &100_u32.to_le_bytes(), "items of user 1"),
        ("the same item twice", items + 4, &5_u32.to_le_bytes(), "items of user 1"),
    ];
    for (what, offset, bytes, named) in forgeries {
        let blob = forged(&good, offset, bytes);
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
    let mut fleet = fleet(&model);
    fleet.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    fleet.append(&[1, 1, 1], &[1, 2, 3]).unwrap();
    let error = fleet.save(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "the state of user 1 is not finite");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    fleet.remove(1).unwrap();
    fleet.save(&path).unwrap();
}

#[test]
fn fleets_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Fleet>();
}
