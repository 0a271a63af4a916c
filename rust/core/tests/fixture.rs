//! The small model of the crate's first example, `tests/data/tiny.safetensors`.

mod common;

use std::sync::Arc;

use common::{ModelFile, Shape};
use recgrela::Model;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.safetensors");

#[test]
fn the_example_model_verifies() {
    Arc::new(Model::open(PATH).unwrap()).verify().unwrap();
}

#[test]
#[ignore = "writes the file; run by hand after a change of the format"]
fn write_the_example_model() {
    let shape = Shape { text: true, ..Shape::TINY };
    let mut file = ModelFile::random(&shape);
    let ids: Vec<_> = (0..shape.items).map(|item| format!("movie-{item:02}")).collect();
    let end: Vec<_> = (1..=shape.items as i64).map(|count| 8 * count).collect();
    let order: Vec<_> = (0..shape.items as i32).collect();
    file.put("catalog.ids_utf8", common::U8, &[8 * ids.len()], ids.concat().into_bytes());
    file.put_i64("catalog.ids_end", &end);
    file.put_i32("catalog.order", &[ids.len()], &order);
    std::fs::write(PATH, file.to_bytes()).unwrap();
}
