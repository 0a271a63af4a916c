//! The hash of all scores and lists of `tests/golden`, which is the same on every instruction set
//! and in every language. Its README defines it.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use common::{F16, I8, ModelFile, Rng, Shape, catalogue};
use recgrela::{Event, Filter, Isa, Kind, ModelOptions, Scored, Session};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `golden.json`.
#[derive(Serialize, Deserialize)]
struct Golden {
    /// Those of format 1.
    #[serde(flatten)]
    format_1: Models,
    format_2: Models,
}

#[derive(Serialize, Deserialize)]
struct Models {
    /// Keyed by the model's file name.
    models: BTreeMap<String, GoldenModel>,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct GoldenModel {
    /// Each is replayed from an empty session.
    sequences: Vec<Vec<u32>>,
    /// The kind of each of these events, if the model has kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kinds: Vec<Vec<u8>>,
    /// The time of each of these events in seconds, if the model uses times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    times: Vec<Vec<i64>>,
    sha256: String,
}

impl GoldenModel {
    fn events(&self) -> Vec<Vec<Event>> {
        let events = self.sequences.iter().enumerate().map(|(sequence, items)| {
            let (kinds, times) = (self.kinds.get(sequence), self.times.get(sequence));
            let events = items.iter().enumerate().map(|(index, &item)| {
                let kind = kinds.map(|kinds| Kind::new(kinds[index]));
                (item, kind, times.map(|times| times[index])).into()
            });
            events.collect()
        });
        events.collect()
    }
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

fn hash_answers(hash: &mut Sha256, session: &Session) {
    let items = catalogue(session.model());
    for score in session.score(&items).unwrap() {
        hash.update(score.to_le_bytes());
    }
    hash_list(hash, &session.top_k(10, &Filter::unseen()).unwrap());
    hash_list(hash, &session.top_k(items.len(), &Filter::default()).unwrap());
}

fn hash_of_model(name: &str, golden: &GoldenModel, isa: Isa) -> [u8; 32] {
    let model = Arc::new(ModelOptions::new().isa(isa).open(path(name)).unwrap());
    let mut hash = Sha256::new();
    for events in golden.events() {
        let mut session = Session::new(Arc::clone(&model));
        if model.config().start {
            hash_answers(&mut hash, &session);
        }
        for event in events {
            session.append(event).unwrap();
            hash_answers(&mut hash, &session);
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
        for (name, Models { models, sha256 }) in
            [(isa.to_string(), &golden.format_1), (format!("{isa}-format-2"), &golden.format_2)]
        {
            let mut all = Sha256::new();
            for (file, model) in models {
                let digest = hash_of_model(file, model, isa);
                assert_eq!(hex(&digest), model.sha256, "{file} on {isa}");
                all.update(digest);
            }
            assert_eq!(hex(&all.finalize()), *sha256, "all models: {name}");
            println!("{name}: {sha256}");
        }
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

/// Models of format 2: with a start vector, with kinds, with both, with all that events can have, with
/// each type of table, and with 8-bit matrices, one of which has more inputs than one integer sum.
const FORMAT_2: [(&str, Shape); 5] = [
    (
        "both.safetensors",
        Shape {
            hidden: 24,
            heads: 3,
            layers: 1,
            inner: 48,
            items: 70,
            table: I8,
            matrices: F16,
            text: true,
            start: true,
            kinds: 3,
            ..Shape::BASE
        },
    ),
    (
        "kinds.safetensors",
        Shape {
            hidden: 16,
            heads: 2,
            inner: 32,
            items: 60,
            positions: "learned",
            table: F16,
            matrices: F16,
            kinds: 4,
            ..Shape::BASE
        },
    ),
    (
        "start.safetensors",
        Shape { hidden: 32, heads: 2, layers: 1, inner: 64, start: true, ..Shape::BASE },
    ),
    (
        "int8-matrices.safetensors",
        Shape {
            hidden: 40,
            heads: 2,
            inner: 520,
            items: 90,
            table: I8,
            matrices: I8,
            start: true,
            ..Shape::BASE
        },
    ),
    (
        "gaps.safetensors",
        Shape {
            hidden: 24,
            heads: 3,
            layers: 1,
            inner: 48,
            items: 50,
            table: I8,
            matrices: I8,
            start: true,
            kinds: 2,
            gaps: true,
            ..Shape::BASE
        },
    ),
];

#[test]
#[ignore = "writes the model files; run by hand after a change of the format, then write_the_hashes"]
fn write_the_models() {
    for (name, shape) in MODELS.iter().chain(&FORMAT_2) {
        std::fs::write(path(name), ModelFile::random(shape).to_bytes()).unwrap();
    }
}

fn times(rng: &mut Rng, count: usize, shape: &Shape) -> Vec<i64> {
    rng.events(count, shape).into_iter().filter_map(|event| event.time).collect()
}

fn computed(shapes: &[(&str, Shape)]) -> Models {
    let mut models = BTreeMap::new();
    for (index, (name, shape)) in shapes.iter().enumerate() {
        let rng = &mut Rng::new(index as u64);
        let sequences = [1, 29, 70].map(|length| rng.items(length, shape.items)).to_vec();
        let kinds = match shape.kinds {
            0 => Vec::new(),
            kinds => {
                let mut of =
                    |items: &Vec<u32>| items.iter().map(|_| rng.below(kinds) as u8).collect();
                sequences.iter().map(&mut of).collect()
            }
        };
        let times = match shape.gaps {
            false => Vec::new(),
            true => [1, 29, 70].map(|length| times(rng, length, shape)).to_vec(),
        };
        let mut model = GoldenModel { sequences, kinds, times, sha256: String::new() };
        model.sha256 = hex(&hash_of_model(name, &model, Isa::Scalar));
        models.insert(name.to_string(), model);
    }
    let digests = models.iter().map(|(name, model)| hash_of_model(name, model, Isa::Scalar));
    let sha256 = hex(&Sha256::digest(digests.collect::<Vec<_>>().concat()));
    Models { models, sha256 }
}

#[test]
#[ignore = "writes golden.json; run by hand after a deliberate change of the arithmetic"]
fn write_the_hashes() {
    let golden = Golden { format_1: computed(&MODELS), format_2: computed(&FORMAT_2) };
    let mut text = serde_json::to_string(&golden).unwrap();
    text.push('\n');
    std::fs::write(path("golden.json"), text).unwrap();
}
