//! Overlays and histories that rely on them, saved and loaded; and invalid overlay files.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{
    F32, F64, I32, I64, OverlayFile, Rng, Shape, U8, assert_says, bits, catalogue, forged, model,
    session,
};
use recgrela::{Error, ErrorKind, Filter, Fleet, ItemId, Model, Overlay, Session};

const TEXT: Shape = Shape { text: true, ..Shape::TINY };

/// Five items added, four replaced, five retired.
fn overlay(model: &Model) -> Overlay {
    let rng = &mut Rng::new(2);
    let mut overlay = Overlay::new(model);
    let catalog = model.catalog();
    let known = [32, 0, 17, 5].map(|item| catalog.id(item).unwrap());
    let texts = ["9001", "", "9002", "ß\n", "9000"];
    let new = (0..5).map(|n| match catalog.is_text() {
        true => ItemId::Str(texts[n]),
        false => ItemId::Int([9001, i64::MIN, 9002, i64::MAX, 9000][n]),
    });
    let ids: Vec<_> = known.into_iter().chain(new).collect();
    let vectors: Vec<_> = (0..8 * ids.len()).map(|_| rng.unit()).collect();
    overlay.add(&ids, &vectors).unwrap();
    overlay.retire(&[36, 5, 33, 6, 0]).unwrap();
    overlay
}

fn answers(model: &Arc<Model>) -> (Vec<u32>, Vec<u32>) {
    let session = session(model, 6, 3);
    let all: Vec<_> = (0..model.catalog().len() as u32).collect();
    let best = session.top_k(30, &Filter::default()).unwrap();
    (bits(&session.score(&all).unwrap()), best.iter().map(|scored| scored.item).collect())
}

#[test]
fn a_saved_overlay_is_the_same_overlay() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved.overlay");
    for shape in [Shape::TINY, TEXT] {
        let saved = model(&shape);
        let loaded = model(&shape);
        for empty in [true, false] {
            let overlay = if empty { Overlay::new(&saved) } else { overlay(&saved) };
            overlay.save(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), overlay.to_bytes());
            let read = Overlay::open(&loaded, &path).unwrap();
            assert_eq!(read.to_bytes(), overlay.to_bytes());
            saved.set_overlay(overlay).unwrap();
            loaded.set_overlay(read).unwrap();
            assert_eq!(answers(&loaded), answers(&saved));
            let (one, other) = (loaded.catalog(), saved.catalog());
            assert!((0..40).all(|item| one.id(item) == other.id(item)));
        }
        assert_eq!(saved.catalog().len(), 38);
        // The next overlay continues either.
        let next = [ItemId::Int(5000), ItemId::Str("next")][usize::from(shape.text)];
        for model in [&saved, &loaded] {
            model.update_overlay(|overlay| overlay.add(&[next], &[0.5; 8])).unwrap();
        }
        assert_eq!(answers(&loaded), answers(&saved));
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn files_that_cannot_be_written_or_read() {
    let model = model(&Shape::TINY);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("overlays");
    std::fs::create_dir_all(folder.join("taken")).unwrap();
    for path in [folder.join("no/such/file"), folder.join("taken"), "/".into()] {
        let error = overlay(&model).save(&path).unwrap_err();
        assert_says(&error, ErrorKind::Io, &format!("cannot write {}: ", path.display()));
        let error = Overlay::open(&model, &path).unwrap_err();
        assert_says(&error, ErrorKind::Io, &format!("cannot read {}: ", path.display()));
    }
    let left = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(left, 1, "the temporary file is deleted");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Asserts that a file is refused with an error whose text contains all of these.
fn assert_refused(model: &Model, bytes: &[u8], named: &[&str]) -> Error {
    let error = Overlay::from_bytes(model, bytes).expect_err("a hostile file");
    let text = error.to_string();
    assert!(named.iter().all(|name| text.contains(name)), "{text} does not have {named:?}");
    error
}

#[test]
fn the_file_is_what_the_format_says() {
    for shape in [Shape::TINY, TEXT] {
        let model = model(&shape);
        let file = OverlayFile::of(&overlay(&model));
        assert_eq!(file.metadata["recgrela.overlay"], "1");
        assert_eq!(file.metadata["recgrela.model"], model.fingerprint().to_string());
        assert_eq!(file.tensors["overlay.vectors"].shape, [9, 8]);
        assert_eq!(
            file.tensors["overlay.replaced"].bytes,
            [0, 5, 17, 32].map(i32::to_le_bytes).concat()
        );
        assert_eq!(
            file.tensors["overlay.retired"].bytes,
            [0, 5, 6, 33, 36].map(i32::to_le_bytes).concat()
        );
        if shape.text {
            assert_eq!(file.tensors["overlay.ids_utf8"].bytes, "90019002ß\n9000".as_bytes());
            assert_eq!(
                file.tensors["overlay.ids_end"].bytes,
                [4, 4, 8, 11, 15].map(i64::to_le_bytes).concat()
            );
        }
        let read = Overlay::from_bytes(&model, &file.clone().sealed()).unwrap();
        assert_eq!(read.to_bytes(), overlay(&model).to_bytes(), "in any order of the tensors");
    }
}

#[test]
fn damaged_files_are_refused() {
    for shape in [Shape::TINY, TEXT] {
        let model = model(&shape);
        let good = overlay(&model).to_bytes();
        for length in 0..good.len() {
            assert_refused(&model, &good[..length], &[]);
        }
        assert_refused(&model, &[&good[..], &[0]].concat(), &[]);
        let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize + 8;
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Overlay::from_bytes(&model, &bytes) {
                Err(_) => {}
                // A flip in the padding, for example, may leave a valid file.
                Ok(read) => {
                    assert!(bit / 8 < header);
                    assert_eq!(read.to_bytes(), good);
                }
            }
        }
    }
}

#[test]
fn metadata_of_hostile_files() {
    let model = model(&Shape::TINY);
    let good = OverlayFile::of(&overlay(&model));
    for key in ["recgrela.overlay", "recgrela.model", "recgrela.fingerprint"] {
        let mut file = good.clone();
        file.metadata.remove(key);
        assert_refused(&model, &file.to_bytes(), &[key, "found nothing"]);
        for text in ["", "2", &"g".repeat(64), &"A".repeat(64)] {
            file.metadata.insert(key.to_owned(), text.to_owned());
            assert_refused(&model, &file.to_bytes(), &[key]);
        }
    }
    let other = common::model(&Shape { items: 34, ..Shape::TINY });
    let error = assert_refused(&other, &good.to_bytes(), &[&model.fingerprint().to_string()]);
    assert_says(&error, ErrorKind::OtherModel, "overlay: found model");
    // The same file, stating the other model.
    let mut forged = good.clone();
    forged.metadata.insert("recgrela.model".to_owned(), other.fingerprint().to_string());
    let error = assert_refused(&other, &forged.to_bytes(), &["fingerprint of the tensors"]);
    assert_says(&error, ErrorKind::Model, "fingerprint of the tensors: found");
    // A model file is not an overlay file, and vice versa.
    let file = common::ModelFile::random(&Shape::TINY).to_bytes();
    assert_refused(&model, &file, &["recgrela.overlay"]);
    assert!(Model::from_bytes(good.to_bytes()).is_err());
}

#[test]
fn tensors_of_hostile_files() {
    for shape in [Shape::TINY, TEXT] {
        let model = model(&shape);
        let good = OverlayFile::of(&overlay(&model));
        for (name, tensor) in &good.tensors {
            let mut file = good.clone();
            file.tensors.remove(name);
            assert_refused(&model, &file.sealed(), &[name, "missing"]);

            let mut file = good.clone();
            file.tensor(name).shape.push(1);
            assert_refused(&model, &file.sealed(), &[name, "shape"]);

            let other = match tensor.dtype.as_str() {
                I64 => F64,
                F32 => I32,
                I32 => F32,
                U8 => "I8",
                _ => unreachable!(),
            };
            let mut file = good.clone();
            file.tensor(name).dtype = other.to_owned();
            assert_refused(&model, &file.sealed(), &[name, "dtype", other]);
        }
        let mut file = good.clone();
        file.put_i32("overlay.more", &[]);
        assert_refused(&model, &file.sealed(), &["overlay.more"]);
        let mut file = good;
        let other = if shape.text { "overlay.ids" } else { "overlay.ids_end" };
        file.put_i64(other, &[1, 2, 3, 4, 5]);
        assert_refused(&model, &file.sealed(), &[other]);
    }
}

#[test]
fn values_of_hostile_files() {
    let model = model(&Shape::TINY);
    let good = OverlayFile::of(&overlay(&model));
    let items: [(&str, &[i32], &str); 9] = [
        ("overlay.replaced", &[0, 5, 17, 33], "element 3: found 33"),
        ("overlay.replaced", &[-1, 5, 17, 32], "element 0: found -1"),
        ("overlay.replaced", &[0, 17, 5, 32], "element 2: found 5"),
        ("overlay.replaced", &[0, 5, 5, 32], "element 2: found 5"),
        ("overlay.replaced", &[0, 5, 17], "overlay.ids"),
        ("overlay.replaced", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "[R + A, 8], where R is 10"),
        ("overlay.retired", &[38], "element 0: found 38"),
        ("overlay.retired", &[i32::MIN], "element 0"),
        ("overlay.retired", &[3, 3], "element 1: found 3"),
    ];
    for (name, values, message) in items {
        let mut file = good.clone();
        file.put_i32(name, values);
        assert_refused(&model, &file.sealed(), &[message]);
    }
    let taken = model.catalog().id(7).unwrap().to_string();
    let ids: [(&[i64], &str); 3] = [
        (&[9001, 9000, 9002, 9001, 9003], "id `9001` twice"),
        (&[9001, 9000, 9002, 9004, taken.parse().unwrap()], &format!("id `{taken}`")),
        (&[9001, 9000, 9002, 9004], "overlay.ids"),
    ];
    for (ids, message) in ids {
        let mut file = good.clone();
        file.put_i64("overlay.ids", ids);
        assert_refused(&model, &file.sealed(), &[message]);
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut file = good.clone();
        file.tensor("overlay.vectors").bytes[4 * 71..].copy_from_slice(&number.to_le_bytes());
        assert_refused(&model, &file.sealed(), &["overlay.vectors", "element 71", "finite"]);
    }
    for shape in [&[72][..], &[8, 9], &[18, 4], &[1, 9, 8], &[]] {
        let mut file = good.clone();
        let count = shape.iter().product::<usize>();
        file.put("overlay.vectors", F32, shape, &vec![[0; 4]; count]);
        assert_refused(&model, &file.sealed(), &["overlay.vectors", "shape"]);
    }
}

#[test]
fn texts_of_hostile_files() {
    let model = model(&TEXT);
    let good = OverlayFile::of(&overlay(&model));
    let texts: [(&[u8], [i64; 5], &str); 5] = [
        (b"abcde", [1, 2, 3, 4, 4], "overlay.ids_utf8"),
        (b"abcde", [1, 2, 3, 5, 4], "overlay.ids_end"),
        (b"abcde", [1, 2, 3, 4, i64::MAX], "overlay.ids_end"),
        (b"ab\xffde", [1, 2, 3, 4, 5], "overlay.ids_utf8"),
        (b"abcda", [1, 2, 3, 4, 5], "id `a` twice"),
    ];
    for (text, end, message) in texts {
        let mut file = good.clone();
        let bytes: Vec<_> = text.iter().map(|&byte| [byte]).collect();
        file.put("overlay.ids_utf8", U8, &[text.len()], &bytes);
        file.put_i64("overlay.ids_end", &end);
        assert_refused(&model, &file.sealed(), &[message]);
    }
}

/// Added items in a snapshot are valid only if the model added them in the same order.
#[test]
fn snapshots_with_added_items() {
    let origin = model(&Shape::TINY);
    let plain = session(&origin, 4, 1).snapshot();
    origin.set_overlay(overlay(&origin)).unwrap();
    assert_eq!(session_of(&origin, &plain).snapshot(), plain, "no added items");
    let mut later = session_of(&origin, &plain);
    later.extend(&[35, 2, 33]).unwrap();
    let blob = later.snapshot();
    assert_eq!(blob[36..40], 3_u32.to_le_bytes(), "as many as it takes to know item 35");

    let adding = |ids: &[i64]| {
        let model = model(&Shape::TINY);
        let ids: Vec<_> = ids.iter().map(|&id| ItemId::Int(id)).collect();
        let vectors = vec![0.5; 8 * ids.len()];
        model.update_overlay(|overlay| overlay.add(&ids, &vectors)).unwrap();
        model
    };
    // The same items first, with other vectors: the state is unchanged.
    for ids in [&[9001, i64::MIN, 9002][..], &[9001, i64::MIN, 9002, 7000, 7001]] {
        let model = adding(ids);
        let mut session = session_of(&model, &blob);
        assert_eq!(session.snapshot(), blob);
        assert_eq!(session.seen(), later.seen());
        assert_eq!(session.user_vector().unwrap(), later.user_vector().unwrap());
        session.append(35).unwrap();
    }
    let others =
        [&[][..], &[9001, i64::MIN], &[i64::MIN, 9001, 9002], &[9001, i64::MIN, 9003, 9002]];
    for ids in others {
        let mut session = session(&adding(ids), 2, 1);
        let before = session.snapshot();
        let error = session.restore(&blob).unwrap_err();
        let words = format!("found {} in the active overlay, expected the 3 of the", ids.len());
        assert_says(&error, ErrorKind::Overlay, &words);
        assert_eq!(session.snapshot(), before);
    }
    let bare = model(&Shape::TINY);
    let error = Session::new(bare).restore(&blob).unwrap_err().to_string();
    assert!(error.contains("activate that overlay, or one that extends it, first"), "{error}");

    // A fleet follows the same rule, from a session and from a file.
    let mut fleet = Fleet::new(Arc::clone(&origin));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("added.fleet");
    fleet.set(1, &later).unwrap();
    fleet.save(&file).unwrap();
    let (good, bad) = (adding(&[9001, i64::MIN, 9002]), adding(&[9001, 9002, i64::MIN]));
    for model in [&origin, &good] {
        let loaded = Fleet::open(&file, Arc::clone(model)).unwrap();
        assert_eq!(loaded.session(1).unwrap().snapshot(), blob);
    }
    Fleet::new(good).set(0, &later).unwrap();
    let refused = Fleet::open(&file, Arc::clone(&bad)).unwrap_err();
    assert_says(&refused, ErrorKind::Overlay, "found 3 in the active overlay, expected the 3");
    let refused = Fleet::new(bad).set(0, &later).unwrap_err();
    assert_says(&refused, ErrorKind::Overlay, "found 3 in the active overlay, expected the 3");

    // A forged count that does not match the items.
    let chain = |before: [u8; 32], id: i64| {
        let bytes = [&before[..], &id.to_le_bytes()].concat();
        <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(bytes))
    };
    let digests = [9001, i64::MIN, 9002].into_iter().scan([0; 32], |digest, id| {
        *digest = chain(*digest, id);
        Some(*digest)
    });
    let digests: Vec<_> = digests.collect();
    assert_eq!(blob[88..120], digests[2]);
    let fewer = forged(&forged(&blob, 36, &2_u32.to_le_bytes()), 88, &digests[1]);
    let error = Session::new(origin.clone()).restore(&fewer).unwrap_err().to_string();
    assert!(error.contains("seen item 35"), "{error}");

    // Undo and forget handle added items too.
    let mut kept = Session::new(origin);
    kept.set_log_capacity(10);
    kept.set_undo_depth(2).unwrap();
    kept.extend(&[1, 34, 35]).unwrap();
    kept.undo(1).unwrap();
    assert_eq!(kept.snapshot()[36..40], 2_u32.to_le_bytes());
    kept.forget(&[34]).unwrap();
    assert_eq!(kept.snapshot()[36..40], 0_u32.to_le_bytes());
    assert_eq!(kept.peek(&[37], 40, &Filter::unseen()).unwrap().len(), 38 - 5 - 2);
    assert_eq!(catalogue(kept.model()).len(), 33, "the model's own");
}

fn session_of(model: &Arc<Model>, snapshot: &[u8]) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.restore(snapshot).unwrap();
    session
}
