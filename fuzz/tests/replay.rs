//! Replays the committed corpus and asserts the guarantees for each input.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut inputs: Vec<_> =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!inputs.is_empty(), "no input in {}", corpus.display());
    inputs.sort();
    for input in inputs {
        println!("{}", input.display()); // shown on failure
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn model_file() {
    replay("model_file", recgrela_fuzz::model_file);
}

#[test]
fn snapshot() {
    replay("snapshot", recgrela_fuzz::snapshot);
}

#[test]
fn overlay() {
    replay("overlay", recgrela_fuzz::overlay);
}

#[test]
fn fleet_file() {
    replay("fleet_file", recgrela_fuzz::fleet_file);
}

#[test]
fn api_calls() {
    replay("api_calls", recgrela_fuzz::api_calls);
}
