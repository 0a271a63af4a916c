//! Invalid files: each is refused with an error that names what was found, and none panics.

mod common;

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use common::{F16, F32, F64, I8, I32, I64, ModelFile, Shape, U8, assert_says};
use recgrela::{Error, ErrorKind, Isa, Model, ModelOptions};

fn tiny() -> ModelFile {
    ModelFile::random(&Shape::TINY)
}

fn tiny_text() -> ModelFile {
    ModelFile::random(&Shape { text: true, ..Shape::TINY })
}

fn refused(bytes: Vec<u8>) -> Error {
    Model::from_bytes(bytes).expect_err("a hostile file")
}

/// Asserts that a changed file is refused with an error whose text contains all of these.
fn assert_refused(file: &ModelFile, named: &[&str]) {
    let text = refused(file.to_bytes()).to_string();
    assert!(named.iter().all(|name| text.contains(name)), "{text} does not have {named:?}");
}

#[test]
fn cut_and_extended_files() {
    let good = tiny().to_bytes();
    for length in (0..good.len()).step_by(37).chain(0..200).chain(good.len() - 70..good.len()) {
        refused(good[..length].to_vec());
    }
    refused([&good[..], &[0; 64]].concat());
}

#[test]
fn every_bit_of_the_header_may_flip() {
    let good = tiny().to_bytes();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize + 8;
    for bit in 0..header * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // A flip in the fingerprint's digits may leave a loadable file, which `verify` then
        // refuses.
        if let Ok(model) = Model::from_bytes(bytes) {
            let verified = Arc::new(model).verify();
            assert!(verified.is_err() || bit / 8 > header - 64, "bit {bit}");
        }
    }
}

#[test]
fn hostile_headers() {
    let with_length = |length: u64, rest: &[u8]| [&length.to_le_bytes(), rest].concat();
    for length in [0, 1, (1 << 18) + 1, 1 << 40, u64::MAX - 8, u64::MAX] {
        let error = refused(with_length(length, b"{}"));
        assert_says(&error, ErrorKind::Model, "not a safetensors file: ");
    }
    let deep = "[".repeat(100_000);
    let deep_value = format!(r#"{{"a":{}"#, r#"{"a":"#.repeat(100_000));
    let huge = r#"{"a":{"dtype":"F32","shape":[18446744073709551615,4],"data_offsets":[0,16]}}"#;
    let many: Vec<_> = (0..9)
        .map(|i| {
            let (start, end) = (i * ((1_u64 << 61) - 1), (i + 1) * ((1_u64 << 61) - 1));
            format!(
                r#""{i}":{{"dtype":"U8","shape":[{}],"data_offsets":[{start},{end}]}}"#,
                end - start
            )
        })
        .take(8)
        .collect();
    let many = format!("{{{}}}", many.join(","));
    for header in ["", "{", "null", "[]", "\u{0}", &deep, &deep_value, huge, &many] {
        let error = refused(with_length(header.len() as u64, header.as_bytes()));
        assert_says(&error, ErrorKind::Model, "not a safetensors file: ");
    }
    let error = refused(with_length(2, b"{}"));
    assert!(error.to_string().contains("recgrela.format"), "{error}");
}

#[test]
fn a_deeply_nested_config() {
    let mut file = tiny();
    file.config = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    assert_refused(&file, &["recgrela.config"]);
}

#[test]
fn metadata() {
    let mut file = tiny();
    for format in ["3", "0", "", "1.0"] {
        file.format = format.to_owned();
        let found = format!("recgrela.format`: found {format:?}, expected \"1\" or \"2\"");
        assert_refused(&file, &[&found]);
    }

    for fingerprint in ["", "0", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32), &"0".repeat(65)]
    {
        let mut file = tiny();
        file.fingerprint = Some(fingerprint.to_owned());
        assert_refused(&file, &["recgrela.fingerprint"]);
    }
}

#[test]
fn configs() {
    let good = Shape::TINY.config();
    let largest = format!("\"inner_size\":{}", usize::MAX - 7);
    let changes = [
        ("\"gate\":true", "\"gate\":true,\"dropout\":0.1", "dropout"),
        ("\"gate\":true", "\"gate\":1", "bool"),
        ("\"gate\":true,", "", "gate"),
        ("\"gate\":true", "\"gate\":true,\"gate\":true", "gate"),
        ("\"rotary\"", "\"alibi\"", "alibi"),
        ("\"hidden_size\":8", "\"hidden_size\":12", "hidden_size"),
        ("\"hidden_size\":8", "\"hidden_size\":0", "hidden_size"),
        ("\"hidden_size\":8", "\"hidden_size\":8192", "8192"),
        ("\"hidden_size\":8", "\"hidden_size\":-8", "-8"),
        ("\"hidden_size\":8", "\"hidden_size\":8.0", "8.0"),
        ("\"num_heads\":2", "\"num_heads\":3", "num_heads"),
        ("\"num_heads\":2", "\"num_heads\":0", "num_heads"),
        ("\"num_layers\":1", "\"num_layers\":0", "num_layers"),
        ("\"num_layers\":1", "\"num_layers\":65", "num_layers"),
        ("\"inner_size\":8", "\"inner_size\":4", "inner_size"),
        ("\"inner_size\":8", "\"inner_size\":0", "inner_size"),
        ("\"inner_size\":8", &largest, "ffn_in"),
        ("\"num_items\":33", "\"num_items\":0", "num_items"),
        ("\"num_items\":33", "\"num_items\":2147483648", "num_items"),
        ("\"num_items\":33", "\"num_items\":2147483647", "catalog.table"),
        ("\"num_items\":33", "\"num_items\":99999999999999999999999", "1e+23"),
    ];
    for (from, to, named) in changes {
        let mut file = tiny();
        file.config = good.replace(from, to);
        assert_ne!(file.config, good);
        assert_refused(&file, &[named]);
    }
    for config in ["", "{}", "[]", "null"] {
        let mut file = tiny();
        file.config = config.to_owned();
        assert_refused(&file, &["recgrela.config"]);
    }
}

#[test]
fn every_tensor_is_needed() {
    for (file, absent) in [(tiny(), "catalog.ids"), (tiny_text(), "catalog.ids")] {
        for name in file.tensors.keys() {
            let mut file = file.clone();
            file.tensors.remove(name);
            let named = if name.starts_with("catalog.ids") { absent } else { name };
            assert_refused(&file, &[named]);
        }
    }
}

#[test]
fn every_shape_and_dtype_is_checked() {
    for file in [tiny(), tiny_text()] {
        for (name, tensor) in &file.tensors {
            let mut transposed = file.clone();
            transposed.tensor(name).shape.push(1);
            assert_refused(&transposed, &[name, "shape"]);

            let other = match tensor.dtype.as_str() {
                F64 => I64,
                I64 => F64,
                F32 => I32,
                I32 => F32,
                U8 => "I8",
                _ => unreachable!(),
            };
            let mut retyped = file.clone();
            retyped.tensor(name).dtype = other.to_owned();
            assert_refused(&retyped, &[name, "dtype", other]);
        }
    }
}

#[test]
fn tensors_that_nobody_asked_for() {
    let mut file = tiny();
    file.put_f32("blocks.1.decay", &[2], &[1.0, 1.0]);
    assert_refused(&file, &["blocks.1.decay"]);

    let mut both = ModelFile::random(&Shape { text: true, items: 1, ..Shape::TINY });
    both.put_i64("catalog.ids", &[7]);
    assert_refused(&both, &["catalog.ids_"]);

    let mut gateless = tiny();
    gateless.config = Shape { gate: false, ..Shape::TINY }.config();
    assert_refused(&gateless, &["blocks.0.gate"]);
}

#[test]
fn a_self_test_ends() {
    let mut long = tiny();
    long.put_i32("selftest.items", &[4097], &[0; 4097]);
    assert_refused(&long, &["selftest.items", "at most 4096"]);

    let mut wide = tiny();
    let (k, c) = (wide.tensors["selftest.end"].shape[0], 1 << 16);
    wide.put_i32("selftest.candidates", &[k, c + 1], &vec![0; k * (c + 1)]);
    assert_refused(&wide, &["selftest.candidates", "65536 numbers"]);
}

#[test]
fn numbers_are_finite() {
    for table in [F32, F16, I8] {
        let file = ModelFile::random(&Shape { table, ..Shape::TINY });
        for (name, tensor) in &file.tensors {
            let not_finite: &[&[u8]] = match tensor.dtype.as_str() {
                F16 => &[&[0, 0x7e], &[0, 0xfc]],
                F32 => &[&[0, 0, 0xc0, 0x7f], &[0, 0, 0x80, 0xff]],
                F64 => &[&[0, 0, 0, 0, 0, 0, 0xf8, 0x7f], &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f]],
                _ => continue,
            };
            for bytes in not_finite {
                for offset in [0, tensor.bytes.len() - bytes.len()] {
                    let mut file = file.clone();
                    file.tensor(name).bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
                    assert_refused(
                        &file,
                        &[name, "finite", &format!("element {}", offset / bytes.len())],
                    );
                }
            }
        }
    }
}

#[test]
fn half_precision_matrices_are_finite() {
    let file = ModelFile::random(&Shape { matrices: F16, ..Shape::TINY });
    for (name, tensor) in file.tensors.iter().filter(|(_, tensor)| tensor.dtype == F16) {
        let mut file = file.clone();
        let last = tensor.bytes.len() - 2;
        file.tensor(name).bytes[last..].copy_from_slice(&[0, 0x7c]);
        assert_refused(&file, &[name, "finite", &format!("element {}", last / 2)]);
    }
}

#[test]
fn matrices_share_a_dtype() {
    let mut file = ModelFile::random(&Shape { matrices: F16, ..Shape::TINY });
    let (d, f) = (Shape::TINY.hidden, Shape::TINY.inner);
    file.put_f32("blocks.0.ffn_in.weight", &[d, f], &vec![0.5; d * f]);
    assert_refused(&file, &["blocks.0.ffn_in.weight", "F32", "F16"]);
}

#[test]
fn integer_matrices_are_symmetric_and_have_scales() {
    let int8 = ModelFile::random(&Shape { matrices: I8, ..Shape::TINY });
    let mut smallest = int8.clone();
    smallest.tensor("blocks.0.ffn_out.weight").bytes[5] = 0x80;
    assert_refused(&smallest, &["blocks.0.ffn_out.weight", "element 5", "-128", "-127 to 127"]);
    for scale in [-1.0, -1e-45, f32::NAN, f32::INFINITY] {
        let mut file = int8.clone();
        file.tensor("blocks.0.gate.scale").bytes[28..].copy_from_slice(&scale.to_le_bytes());
        assert_refused(&file, &["blocks.0.gate.scale", "element 7", "not negative"]);
    }
    let mut missing = int8.clone();
    missing.tensors.remove("blocks.0.output.scale");
    assert_refused(&missing, &["blocks.0.output.scale"]);
    let mut extra = tiny();
    extra.put_f32("blocks.0.output.scale", &[8], &[1.0; 8]);
    assert_refused(&extra, &["blocks.0.output.scale"]);
}

#[test]
fn scales_of_8_bit_tables() {
    let int8 = ModelFile::random(&Shape { table: I8, ..Shape::TINY });
    let with_scale = |index: usize, scale: f32| {
        let mut file = int8.clone();
        let bytes = &mut file.tensor("catalog.scale").bytes;
        bytes[4 * index..4 * index + 4].copy_from_slice(&scale.to_le_bytes());
        file
    };
    for scale in [-1.0, -1e-45, f32::NAN, f32::INFINITY] {
        assert_refused(&with_scale(32, scale), &["catalog.scale", "element 32", "not negative"]);
    }
    assert_refused(&with_scale(33, 0.5), &["catalog.scale", "element 33", "zero"]);
    let mut missing = int8.clone();
    missing.tensors.remove("catalog.scale");
    assert_refused(&missing, &["catalog.scale"]);
    let mut extra = tiny();
    extra.put_f32("catalog.scale", &[2, 32], &[0.0; 64]);
    assert_refused(&extra, &["catalog.scale"]);
}

#[test]
fn values_out_of_range() {
    for decay in [0.0, -0.0, -0.5, 1.000_000_1] {
        let mut file = tiny();
        file.put_f32("blocks.0.decay", &[2], &[1.0, decay]);
        assert_refused(&file, &["blocks.0.decay", "element 1"]);
    }
    let mut padded = tiny();
    let table = padded.tensor("catalog.table");
    let last = table.bytes.len() - 4;
    table.bytes[last..].copy_from_slice(&1_f32.to_le_bytes());
    assert_refused(&padded, &["catalog.table", "zero"]);
}

#[test]
fn vocabularies() {
    let integers: [(&[i64], &[i32]); 5] = [
        (&[1, 2, 3], &[0, 2, 1]),
        (&[1, 2, 3], &[0, 1, 1]),
        (&[1, 2, 2], &[0, 1, 2]),
        (&[1, 2, 3], &[0, 1, 3]),
        (&[1, 2, 3], &[-1, 1, 2]),
    ];
    for (ids, order) in integers {
        let mut file = ModelFile::random(&Shape { items: 3, ..Shape::TINY });
        file.put_i64("catalog.ids", ids);
        file.put_i32("catalog.order", &[3], order);
        assert_refused(&file, &["catalog.order"]);
    }
    let texts: [(&[u8], [i64; 3], &str); 8] = [
        (b"abc", [1, 2, 2], "catalog.ids_utf8"),
        (b"abc", [1, 2, 4], "catalog.ids_end"),
        (b"abc", [2, 1, 3], "catalog.ids_end"),
        (b"abc", [-1, 2, 3], "catalog.ids_end"),
        (b"abc", [i64::MIN, 2, i64::MAX], "catalog.ids_end"),
        ("aéb".as_bytes(), [1, 2, 4], "catalog.ids_end"),
        (b"a\xffb", [1, 2, 3], "catalog.ids_utf8"),
        (b"aab", [1, 2, 3], "catalog.order"),
    ];
    for (text, end, named) in texts {
        let mut file = ModelFile::random(&Shape { items: 3, text: true, ..Shape::TINY });
        file.put("catalog.ids_utf8", U8, &[text.len()], text.to_vec());
        file.put_i64("catalog.ids_end", &end);
        file.put_i32("catalog.order", &[3], &[0, 1, 2]);
        assert_refused(&file, &[named]);
    }
}

#[test]
fn self_tests() {
    let changes: [(&str, &[usize], &[i32]); 8] = [
        ("selftest.items", &[36], &[33; 36]),
        ("selftest.items", &[36], &[-1; 36]),
        ("selftest.items", &[35], &[0; 35]),
        ("selftest.end", &[3], &[0, 6, 36]),
        ("selftest.end", &[3], &[6, 6, 36]),
        ("selftest.end", &[3], &[1, 37, 36]),
        ("selftest.end", &[0], &[]),
        ("selftest.candidates", &[3, 0], &[]),
    ];
    for (name, shape, values) in changes {
        let mut file = tiny();
        file.put_i32(name, shape, values);
        assert_refused(&file, &["selftest."]);
    }
}

#[test]
fn verify_finds_every_changed_tensor() {
    let good = tiny();
    Arc::new(Model::from_bytes(good.to_bytes()).unwrap()).verify().unwrap();
    let stated = Model::from_bytes(good.to_bytes()).unwrap().fingerprint();
    for name in good.tensors.keys().filter(|name| good.tensors[*name].dtype == F32) {
        let mut file = good.clone();
        file.fingerprint = Some(stated.to_string());
        file.tensor(name).bytes[0] ^= 1; // the last bit of the first number
        let model = Model::from_bytes(file.to_bytes());
        // A decay of exactly one has no valid neighbour above.
        let Ok(model) = model else { continue };
        let error = Arc::new(model).verify().unwrap_err();
        assert_says(&error, ErrorKind::Model, "damaged: fingerprint of the tensors: found ");
        assert_says(&error, ErrorKind::Model, &format!(", expected {stated}"));
        assert!(!error.to_string().contains(&format!("found {stated}")), "{name}: {error}");
    }
}

#[test]
fn verify_replays_the_self_test() {
    let mut file = tiny();
    let scores: Vec<_> = file.numbers("selftest.scores").iter().map(|&x| x as f32).collect();
    for factor in [1.01, 0.0] {
        let mut wrong = scores.clone();
        let largest = (4..8).max_by(|&a, &b| wrong[a].abs().total_cmp(&wrong[b].abs())).unwrap();
        wrong[largest] *= factor;
        file.put_f32("selftest.scores", &[3, 4], &wrong);
        let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        assert_says(&model.verify().unwrap_err(), ErrorKind::Model, "self-test sequence 1");
    }
}

#[test]
fn tables_need_not_be_aligned() {
    for table in [F32, F16, I8] {
        let mut file = ModelFile::random(&Shape { table, ..Shape::BASE });
        let aligned = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
        let expected = common::session(&aligned, 10, 1).snapshot();
        for padding in [1, 2, 3, 4, 33] {
            file.padding = padding;
            let model = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
            model.verify().unwrap();
            assert_eq!(common::session(&model, 10, 1).snapshot(), expected);
        }
    }
}

#[test]
fn files_that_cannot_be_read() {
    let error = Model::open("/no/such/file.safetensors").unwrap_err();
    assert_says(&error, ErrorKind::Io, "cannot read /no/such/file.safetensors: ");
    assert_eq!(error.path(), Some("/no/such/file.safetensors".as_ref()));
    let source = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    let error = Model::open(env!("CARGO_MANIFEST_DIR")).unwrap_err();
    assert_says(&error, ErrorKind::Io, "cannot read ");
}

#[test]
fn a_file_on_disk_is_the_model_in_memory() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a_file_on_disk.safetensors");
    let file = ModelFile::random(&Shape::BASE);
    std::fs::write(&path, file.to_bytes()).unwrap();
    let opened = Arc::new(ModelOptions::new().isa(Isa::Scalar).open(&path).unwrap());
    opened.verify().unwrap();
    assert_eq!(opened.isa(), Isa::Scalar);
    let read = Arc::new(Model::from_bytes(file.to_bytes()).unwrap());
    let snapshots = [opened, read].map(|model| common::session(&model, 10, 1).snapshot());
    assert_eq!(snapshots[0], snapshots[1]);
    #[cfg(all(feature = "mmap", any(unix, windows)))]
    {
        // SAFETY: the file is of this test only.
        #[allow(unsafe_code)]
        let mapped = Arc::new(unsafe { Model::open_mmap(&path).unwrap() });
        assert_eq!(common::session(&mapped, 10, 1).snapshot(), snapshots[0]);
    }
    std::fs::remove_file(&path).unwrap();
}

/// A mapped file that is truncated ends the process.
#[test]
fn a_file_that_was_opened_may_be_truncated() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("truncated.safetensors");
    std::fs::write(&path, ModelFile::random(&Shape::BASE).to_bytes()).unwrap();
    let model = Arc::new(Model::open(&path).unwrap());
    let before = common::session(&model, 10, 1).snapshot();
    std::fs::write(&path, b"").unwrap();
    assert_eq!(common::session(&model, 10, 1).snapshot(), before);
    model.verify().unwrap();
    assert!(Model::open(&path).is_err());
    std::fs::remove_file(&path).unwrap();
}
