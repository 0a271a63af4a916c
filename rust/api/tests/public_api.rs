//! The public API is as `recgrela.txt` says. `UPDATE_API=1 cargo test -p recgrela-api` writes it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The format that this version of public-api reads.
const FORMAT: u64 = 57;

/// Has rustdoc describe the crate as JSON, which a stable compiler does only if told that it may.
fn describe() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api");
    let status = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--package", "recgrela", "--lib", "--features", "threads"])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json", "--cap-lints", "allow"])
        .env("RUSTC_BOOTSTRAP", "1")
        .status()
        .unwrap();
    assert!(status.success(), "rustdoc failed");
    target.join("doc/recgrela.json")
}

#[test]
fn the_public_api_is_the_recorded_one() {
    let json = describe();
    let parsed: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let version = parsed["format_version"].as_u64().unwrap();
    if version != FORMAT {
        println!("not compared: rustdoc wrote format {version}, expected {FORMAT}");
        return;
    }
    let found = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .unwrap()
        .to_string();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recgrela.txt");
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let missing = |from: &str, of: &str| -> Vec<String> {
        from.lines().filter(|line| !of.lines().any(|l| l == *line)).map(str::to_owned).collect()
    };
    assert!(
        found == recorded,
        "the public API is not the recorded one; if that is meant: UPDATE_API=1 cargo test -p \
         recgrela-api, a CHANGELOG line, and a new version by SemVer\nadded: {:#?}\nremoved: {:#?}",
        missing(&found, &recorded),
        missing(&recorded, &found),
    );
}
