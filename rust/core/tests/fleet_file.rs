//! The file of a fleet: continued with the same bits, refused where it is damaged or forged.

mod common;
mod paths;

use std::path::PathBuf;
use std::sync::Arc;

use common::{ModelFile, Rng, SHAPES, Shape, assert_says, everything, filled, model};
use paths::fleet_path;
use recgrela::{Error, ErrorKind, Fleet, Model, Overlay};

#[test]
fn a_saved_fleet_continues_with_the_same_bits() {
    let path = fleet_path("roundtrip");
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
    let path = fleet_path("kinds");
    let model = model(&Shape::TINY);
    let open = || Fleet::open(&path, Arc::clone(&model)).unwrap();
    Fleet::new(Arc::clone(&model)).save(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), HEADER + SEGMENT + 32);
    assert!(open().is_empty());
    let mut numbers = Fleet::new(Arc::clone(&model));
    numbers.append(&[i64::MIN, 6, -2, -2], &[5, 9, 8, 8]).unwrap();
    numbers.save(&path).unwrap();
    assert_eq!(everything(&open()), everything(&numbers));
    let mut texts = Fleet::new(Arc::clone(&model));
    texts.append(&["", "日本", "a b\n"], &[5, 9, 8]).unwrap();
    texts.save(&path).unwrap();
    assert_eq!(everything(&open()), everything(&texts));
    let error = open().append(&[1], &[1]).unwrap_err();
    assert_says(&error, ErrorKind::UserKind, "expected a string");
}

#[test]
fn paths_that_cannot_be_used_are_named() {
    let model = model(&Shape::TINY);
    let missing = fleet_path("missing").with_file_name("no").join("users.fleet");
    let error = Fleet::open(&missing, Arc::clone(&model)).unwrap_err();
    assert!(error.to_string().starts_with("cannot read"), "{error}");
    for path in [missing, PathBuf::from("/")] {
        let error = Fleet::new(Arc::clone(&model)).save(&path).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
    }
    // A folder blocks the rename: the new file is removed.
    let folder = fleet_path("folder");
    std::fs::create_dir(&folder).unwrap();
    assert!(Fleet::new(Arc::clone(&model)).save(&folder).is_err());
    assert_eq!(std::fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn histories_are_the_owners_and_a_replaced_file_keeps_its_mode() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let (path, model) = (fleet_path("mode"), model(&Shape::TINY));
    let mode = || metadata(&path).unwrap().permissions().mode() & 0o777;
    Fleet::new(Arc::clone(&model)).save(&path).unwrap();
    assert_eq!(mode(), 0o600);
    for former in [0o640, 0o400, 0o604] {
        set_permissions(&path, Permissions::from_mode(former)).unwrap();
        Fleet::new(Arc::clone(&model)).save(&path).unwrap();
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
    let mut fleet = Fleet::new(Arc::clone(model));
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
    let path = fleet_path("damaged");
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
    let path = fleet_path("forged");
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
    let path = fleet_path("overflow");
    let shape = Shape { items: 40, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let values: Vec<f32> = vec![f32::MAX; 8];
    file.put_f32("blocks.0.input.bias", &[8], &values);
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let mut fleet = Fleet::new(Arc::clone(&model));
    fleet.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    fleet.append(&[1, 1, 1], &[1, 2, 3]).unwrap();
    let error = fleet.save(&path).unwrap_err();
    assert_says(&error, ErrorKind::Fleet, "the state of user 1 is not finite");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    fleet.remove(1).unwrap();
    fleet.save(&path).unwrap();
}
