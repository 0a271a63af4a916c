//! Random models as files in memory, and a naive f64 implementation to compare with.

// Each test file compiles this module and uses a part of it.
#![allow(dead_code, unused_imports, unreachable_pub)]

mod brute;
mod file;
mod fleets;
mod naive_catalogue;
mod overlay_file;
mod reference;
mod rng;
mod shape;

use std::sync::Arc;

pub use brute::brute_force;
pub use file::{F16, F32, F64, I8, I32, I64, ModelFile, Tensor, U8};
pub use file::{fingerprint, safetensors, with_header};
pub use fleets::{everything, filled, user};
pub use naive_catalogue::{NaiveCatalogue, dot, id_of};
pub use overlay_file::OverlayFile;
pub use reference::Reference;
pub use rng::Rng;
pub use shape::{FORMAT_2, KINDS, SHAPES, Shape};

use recgrela::{Error, ErrorKind, Isa, Model, ModelOptions, Session};

/// A loaded random model of a shape.
pub fn model(shape: &Shape) -> Arc<Model> {
    Arc::new(Model::from_bytes(ModelFile::random(shape).to_bytes()).unwrap())
}

/// A random model of a shape, loaded for each instruction set of this CPU.
pub fn models(shape: &Shape) -> Vec<Arc<Model>> {
    let bytes = ModelFile::random(shape).to_bytes();
    let load = |isa| Arc::new(ModelOptions::new().isa(isa).from_bytes(bytes.clone()).unwrap());
    Isa::available().map(load).collect()
}

/// A session with some random events.
pub fn session(model: &Arc<Model>, events: usize, seed: u64) -> Session {
    let mut session = Session::new(Arc::clone(model));
    session.extend(&Rng::new(seed).items(events, model.num_items())).unwrap();
    session
}

/// Every item of a model.
pub fn catalogue(model: &Model) -> Vec<u32> {
    (0..model.num_items() as u32).collect()
}

pub fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

/// Checks an error's kind and that its message contains these words.
#[track_caller]
pub fn assert_says(error: &Error, kind: ErrorKind, words: &str) {
    assert!(
        error.kind() == kind && error.to_string().contains(words),
        "{:?}: {error}",
        error.kind()
    );
}

/// Bytes before the state in a snapshot.
pub const SNAPSHOT_HEADER: usize = 120;

/// A snapshot with bytes replaced at an offset and its checksum recomputed.
pub fn forged(snapshot: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut blob = snapshot.to_vec();
    blob[offset..offset + bytes.len()].copy_from_slice(bytes);
    let (body, checksum) = blob.split_at_mut(snapshot.len() - 32);
    checksum.copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(body));
    blob
}

/// A snapshot with a different number of events.
pub fn with_events(snapshot: &[u8], events: u64) -> Vec<u8> {
    forged(snapshot, 24, &events.to_le_bytes())
}

/// A model whose items all have the same few embeddings.
pub fn with_ties() -> ModelFile {
    let shape = Shape { items: 200, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let table = file.tensor("catalog.table");
    for index in 0..table.bytes.len() / 4 {
        let (block, lane) = (index / 256, index % 32);
        let value: f32 = if (block * 32 + lane) % 3 == 0 { 0.5 } else { -0.25 };
        let item = block * 32 + lane;
        let value = if item < 200 { value } else { 0.0 };
        table.bytes[index * 4..index * 4 + 4].copy_from_slice(&value.to_le_bytes());
    }
    file
}
