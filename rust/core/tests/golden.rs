//! The hash of all scores and lists of `tests/golden`, which is the same on every instruction set
//! and in every language. Its README defines it.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::{F16, I8, ModelFile, Rng, Shape, catalogue};
use recgrela::{Filter, Isa, ModelOptions, Scored, Session};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `golden.json`.
#[derive(Serialize, Deserialize)]
struct Golden {
    /// Keyed by the model's file name.
    models: BTreeMap<String, GoldenModel>,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct GoldenModel {
    /// Each is replayed from an empty session.
    sequences: Vec<Vec<u32>>,
    sha256: String,
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../tests/golden", name].iter().collect()
}

fn read() -> Golden {
    serde_json::from_slice(&std::fs::read(path("golden.json")).unwrap()).unwrap()
}

fn hash_list(hash: &mut Sha256, list: &[Scored]) {
    hash.update((list.len() as u32).to_le_bytes());
    for Scored { item, score } in list {
        hash.update(item.to_le_bytes());
        hash.update(score.to_le_bytes());
    }
}

fn hash_of_model(name: &str, sequences: &[Vec<u32>], isa: Isa) -> [u8; 32] {
    let model = Arc::new(ModelOptions::new().isa(isa).open(path(name)).unwrap());
    let items = catalogue(&model);
    let mut hash = Sha256::new();
    for events in sequences {
        let mut session = Session::new(Arc::clone(&model));
        for &item in events {
            session.append(item).unwrap();
            for score in session.score(&items).unwrap() {
                hash.update(score.to_le_bytes());
            }
            hash_list(&mut hash, &session.top_k(10, &Filter::unseen()).unwrap());
            hash_list(&mut hash, &session.top_k(items.len(), &Filter::default()).unwrap());
        }
    }
    hash.finalize().into()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_instruction_set_gives_the_golden_hash() {
    let golden = read();
    for isa in Isa::available() {
        let mut all = Sha256::new();
        for (name, GoldenModel { sequences, sha256 }) in &golden.models {
            let digest = hash_of_model(name, sequences, isa);
            assert_eq!(hex(&digest), *sha256, "{name} on {isa}");
            all.update(digest);
        }
        assert_eq!(hex(&all.finalize()), golden.sha256, "all models on {isa}");
        println!("{isa}: {}", golden.sha256);
    }
}

/// Every type of table, matrix, position encoding and id, with sizes around the lanes and rows of 8
/// and 32.
const MODELS: [(&str, Shape); 5] = [
    ("f32.safetensors", Shape { hidden: 32, heads: 2, layers: 1, inner: 64, ..Shape::BASE }),
    (
        "f16.safetensors",
        Shape {
            layers: 1,
            inner: 128,
            items: 60,
            table: F16,
            matrices: F16,
            final_norm: false,
            ..Shape::BASE
        },
    ),
    (
        "int8.safetensors",
        Shape {
            hidden: 24,
            heads: 3,
            inner: 48,
            items: 300,
            table: I8,
            matrices: F16,
            ..Shape::BASE
        },
    ),
    (
        "text-ids.safetensors",
        Shape {
            hidden: 40,
            heads: 2,
            layers: 1,
            inner: 40,
            items: 70,
            positions: "learned",
            matrices: F16,
            text: true,
            ..Shape::BASE
        },
    ),
    (
        "bare.safetensors",
        Shape {
            hidden: 16,
            heads: 16,
            inner: 16,
            items: 33,
            gate: false,
            conv: false,
            positions: "none",
            table: F16,
            ..Shape::BASE
        },
    ),
];

#[test]
#[ignore = "writes the model files; run by hand after a change of the format, then write_the_hashes"]
fn write_the_models() {
    for (name, shape) in &MODELS {
        std::fs::write(path(name), ModelFile::random(shape).to_bytes()).unwrap();
    }
}

#[test]
#[ignore = "writes golden.json; run by hand after a deliberate change of the arithmetic"]
fn write_the_hashes() {
    let mut golden = Golden { models: BTreeMap::new(), sha256: String::new() };
    for (index, (name, shape)) in MODELS.iter().enumerate() {
        let rng = &mut Rng::new(index as u64);
        let sequences: Vec<_> =
            [1, 29, 70].map(|length| rng.items(length, shape.items)).into_iter().collect();
        let sha256 = hex(&hash_of_model(name, &sequences, Isa::Scalar));
        golden.models.insert(name.to_string(), GoldenModel { sequences, sha256 });
    }
    let digests = golden
        .models
        .iter()
        .map(|(name, model)| hash_of_model(name, &model.sequences, Isa::Scalar));
    golden.sha256 = hex(&Sha256::digest(digests.collect::<Vec<_>>().concat()));
    let mut text = serde_json::to_string(&golden).unwrap();
    text.push('\n');
    std::fs::write(path("golden.json"), text).unwrap();
}
