//! Loading files of format 2: what the format adds, and every fault in it.

mod common;

use std::sync::Arc;

use common::{
    FORMAT_2, I32, I64, KINDS, ModelFile, Rng, Shape, assert_says, bits, catalogue, models,
};
use recgrela::{ErrorKind, Model, Session};

/// A start vector, three kinds, and times.
const BOTH: Shape = Shape { start: true, kinds: 3, gaps: true, ..Shape::TINY };

/// Asserts that a changed file is refused with an error whose text contains `named`.
#[track_caller]
fn assert_refused(file: &ModelFile, named: &str) {
    let error = Model::from_bytes(file.to_bytes()).expect_err(named);
    assert_says(&error, ErrorKind::Model, named);
}

/// A file with its config changed.
fn with_config(shape: &Shape, from: &str, to: &str) -> ModelFile {
    let mut file = ModelFile::random(shape);
    let config = file.config.replace(from, to);
    assert_ne!(file.config, config, "{from}");
    file.config = config;
    file
}

/// A file whose kinds have these names.
fn with_kinds(names: &[String]) -> ModelFile {
    let mut file = ModelFile::random(&BOTH);
    let mut config: serde_json::Value = serde_json::from_str(&file.config).unwrap();
    config["kinds"] = names.into();
    file.config = config.to_string();
    file.put_f32("kinds.weight", &[names.len(), 8], &vec![0.5; names.len() * 8]);
    file
}

#[test]
fn the_config_says_what_the_format_adds() {
    for shape in &FORMAT_2 {
        let model = Model::from_bytes(ModelFile::random(shape).to_bytes()).unwrap();
        assert_eq!((model.config().start, model.config().gaps), (shape.start, shape.gaps));
        assert_eq!(model.config().kinds, KINDS[..shape.kinds]);
        for (index, name) in model.config().kinds.iter().enumerate() {
            assert_eq!(usize::from(model.kind(name).unwrap().index()), index);
        }
    }
    let model = Model::from_bytes(ModelFile::random(&Shape::TINY).to_bytes()).unwrap();
    let config = model.config();
    assert_eq!((config.start, config.gaps, &config.kinds[..]), (false, false, &[][..]));
}

/// Format 2 adds nothing to the arithmetic of a model that uses nothing of it.
#[test]
fn a_model_without_kinds_and_start_has_the_bits_of_format_1() {
    let old = ModelFile::random(&Shape::TINY);
    let mut new = with_config(&Shape::TINY, "}", r#","start":false,"kinds":[]}"#);
    new.format = "2".to_owned();
    let scores = [old, new].map(|file| {
        let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        let mut session = Session::new(Arc::clone(&model));
        assert!(session.score(&[0]).is_err(), "no start vector");
        session.extend(&Rng::new(1).items(20, 33)).unwrap();
        assert_eq!(session.snapshot()[8], 2, "the version of the snapshot");
        bits(&session.score(&catalogue(&model)).unwrap())
    });
    assert_eq!(scores[0], scores[1]);
}

#[test]
fn self_tests_of_every_isa_pass() {
    for shape in &FORMAT_2 {
        for model in models(shape) {
            let report = model.verify().unwrap();
            let sequences = if shape.start { 4 } else { 3 };
            assert_eq!((report.sequences, report.scores), (sequences, 4 * sequences));
            assert!(report.largest_difference < 3e-5, "{report:?}");
        }
        let compared = models(shape)[0].compare_isas().unwrap();
        assert_eq!(compared.events, 36);
    }
}

#[test]
fn each_format_has_its_own_keys() {
    for (from, to, named) in [
        (r#","start":true"#, "", "missing field `start`: format 2 needs it"),
        (r#""start":true"#, r#""start":1"#, "expected a boolean"),
        (r#""start":true"#, r#""start":null"#, "expected a boolean"),
        (r#""start":true"#, r#""start":true,"start":true"#, "duplicate field `start`"),
        (r#""start":true"#, r#""start":true,"time":true"#, "unknown field `time`"),
        (r#""gaps":true"#, r#""gaps":null"#, "expected a boolean"),
        (r#""gaps":true"#, r#""gaps":false"#, "`gaps`: found false, expected true"),
        (r#""gaps":true"#, r#""gaps":true,"gaps":true"#, "duplicate field `gaps`"),
        (r#""kinds":["#, r#""kinds":["view","#, "`view` twice, expected distinct names"),
        (r#""kinds":["#, r#""kinds":[1,"#, "expected a string"),
        (r#""kinds":["#, r#""kinds":[null,"#, "expected a string"),
        (r#""kinds":["#, r#""kinds":["","#, "a name of 0 bytes, expected 1 to 64"),
    ] {
        assert_refused(&with_config(&BOTH, from, to), named);
    }
    let kinds = serde_json::to_string(&KINDS[..3]).unwrap();
    let kinds = format!(r#","kinds":{kinds}"#);
    let named = "missing field `kinds`: format 2 needs it";
    assert_refused(&with_config(&BOTH, &kinds, ""), named);
    assert_refused(&with_config(&BOTH, &kinds, r#","kinds":null"#), "expected a sequence");
    assert_refused(&with_config(&BOTH, &kinds, r#","kinds":"view""#), "expected a sequence");

    for (name, value) in [("start", "false"), ("kinds", "[]"), ("gaps", "false")] {
        let file = with_config(&Shape::TINY, "}", &format!(r#","{name}":{value}}}"#));
        assert_refused(&file, &format!("unknown field `{name}`: format 1 does not have it"));
    }
    let mut old = ModelFile::random(&Shape::TINY);
    old.format = "2".to_owned();
    assert_refused(&old, "missing field `start`: format 2 needs it");
    let mut new = ModelFile::random(&BOTH);
    new.format = "1".to_owned();
    assert_refused(&new, "unknown field `start`: format 1 does not have it");
}

#[test]
fn names_have_limits() {
    let numbered = |count| (0..count).map(|index| format!("kind {index}")).collect::<Vec<_>>();
    for names in [numbered(3), numbered(255), vec!["x".repeat(64), "é".repeat(32), "z".into()]] {
        let model = Model::from_bytes(with_kinds(&names).to_bytes()).unwrap();
        assert_eq!(model.config().kinds, names);
    }
    let named = "`kinds`: found 256 names, expected at most 255";
    assert_refused(&with_kinds(&numbered(256)), named);
    for name in ["x".repeat(65), "é".repeat(33)] {
        let named = format!("`kinds`: found a name of {} bytes, expected 1 to 64", name.len());
        assert_refused(&with_kinds(&["a".into(), name, "b".into()]), &named);
    }
    let named = "`kinds`: found `a\\u{1b}` twice, expected distinct names";
    assert_refused(&with_kinds(&["a\u{1b}".into(), "b".into(), "a\u{1b}".into()]), named);
}

#[test]
fn the_tensors_are_those_of_the_config() {
    for name in ["start", "kinds.weight", "gaps.weight", "selftest.kinds", "selftest.times"] {
        let mut file = ModelFile::random(&BOTH);
        file.tensors.remove(name);
        assert_refused(&file, &format!("tensor `{name}` is missing"));
    }
    for (shape, name) in [
        (Shape { start: false, ..BOTH }, "start"),
        (Shape { kinds: 0, ..BOTH }, "kinds.weight"),
        (Shape { kinds: 0, ..BOTH }, "selftest.kinds"),
        (Shape { gaps: false, ..BOTH }, "gaps.weight"),
        (Shape { gaps: false, ..BOTH }, "selftest.times"),
        (Shape::TINY, "start"),
        (Shape::TINY, "kinds.weight"),
    ] {
        let mut file = ModelFile::random(&shape);
        let tensor = ModelFile::random(&BOTH).tensors[name].clone();
        file.tensors.insert(name.to_owned(), tensor);
        assert_refused(&file, &format!("tensor `{name}` is unknown"));
    }
    for (name, shapes) in [
        ("start", &[&[16][..], &[1, 8], &[0]][..]),
        ("kinds.weight", &[&[24][..], &[2, 8], &[3, 16], &[8, 3]]),
        ("gaps.weight", &[&[256][..], &[31, 8], &[33, 8], &[8, 32]]),
        ("selftest.kinds", &[&[35][..], &[0], &[1, 36], &[37]]),
        ("selftest.times", &[&[35][..], &[0], &[1, 36], &[37]]),
    ] {
        for shape in shapes {
            let mut file = ModelFile::random(&BOTH);
            let dtype = file.tensors[name].dtype.clone();
            let width = if dtype == I64 { 8 } else { 4 };
            let bytes = vec![0; width * shape.iter().product::<usize>()];
            file.put(name, &dtype, shape, bytes);
            assert_refused(&file, &format!("tensor `{name}`: found shape"));
        }
        let mut file = ModelFile::random(&BOTH);
        let tensor = file.tensor(name);
        let other =
            [(I32, "U32"), (I64, "F64")].into_iter().find(|(dtype, _)| tensor.dtype == *dtype);
        tensor.dtype = other.map_or(I32, |(_, other)| other).to_owned();
        assert_refused(&file, &format!("tensor `{name}`: found dtype"));
    }
}

#[test]
fn the_numbers_are_finite_and_kinds_exist() {
    for name in ["start", "kinds.weight", "gaps.weight"] {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut file = ModelFile::random(&BOTH);
            let bytes = &mut file.tensor(name).bytes;
            let last = bytes.len() - 4;
            bytes[last..].copy_from_slice(&number.to_le_bytes());
            let named = format!("tensor `{name}`, element {}: found {number}", last / 4);
            assert_refused(&file, &named);
        }
    }
    for kind in [3, -1, 256, i32::MIN] {
        let mut file = ModelFile::random(&BOTH);
        file.tensor("selftest.kinds").bytes[4..8].copy_from_slice(&kind.to_le_bytes());
        let named = format!("element 1: found {kind}, expected the index of a kind");
        assert_refused(&file, &named);
    }
}

#[test]
fn only_a_start_vector_answers_an_empty_sequence() {
    let mut file = ModelFile::random(&Shape { start: false, ..BOTH });
    file.put_i32("selftest.end", &[3], &[0, 6, 36]);
    assert_refused(&file, "element 0: found 0, expected more than the previous one");
    for ends in [[0, 2, 1, 36], [0, 0, 37, 36], [-1, 0, 6, 36]] {
        let mut file = ModelFile::random(&BOTH);
        file.put_i32("selftest.end", &[4], &ends);
        assert_refused(&file, "expected at least the previous one, at most the number of items");
    }
    let mut file = ModelFile::random(&BOTH);
    file.put_i32("selftest.end", &[4], &[0, 0, 0, 0]);
    assert_refused(&file, "tensor `selftest.items`: found shape [36], expected [0]");
    for name in ["selftest.items", "selftest.kinds"] {
        file.put_i32(name, &[0], &[]);
    }
    file.put_i64("selftest.times", &[]);
    let mut many = file.clone();
    many.put_i32("selftest.end", &[4097], &[0; 4097]);
    assert_refused(
        &many,
        "tensor `selftest.end`: found shape [4097], expected [Q] with Q from 1 to",
    );
    // All four are empty, so only the first has the expected scores.
    let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    assert_says(&model.verify().unwrap_err(), ErrorKind::Model, "self-test sequence 1");
}

#[test]
fn verify_finds_a_changed_tensor() {
    for name in ["start", "kinds.weight", "gaps.weight"] {
        let mut file = ModelFile::random(&BOTH);
        file.tensor(name).bytes.iter_mut().skip(3).step_by(4).for_each(|byte| *byte ^= 0x80);
        let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        assert_says(&model.verify().unwrap_err(), ErrorKind::Model, "self-test sequence");
    }
}
