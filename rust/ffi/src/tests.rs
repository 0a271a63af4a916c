//! Tests of panics, which C cannot cause, and of the header, which must match this crate.

use std::path::Path;
use std::sync::Arc;

use crate::error::{guard, recgrela_error, recgrela_status};
use crate::handles::{Loaded, recgrela_session};

#[test]
fn a_panic_becomes_a_status() {
    let mut error = recgrela_error { status: recgrela_status::Ok, message: [0; _] };
    assert_eq!(guard(&mut error, || panic!("on purpose")), recgrela_status::Internal);
    assert_eq!(error.status, recgrela_status::Internal);
    assert_ne!(error.message[0], 0);
}

fn session_on(path: &str) -> recgrela_session {
    let loaded = Arc::new(Loaded::new(engine::Model::open(path).unwrap()));
    recgrela_session::new(engine::Session::new(Arc::clone(&loaded.model)), loaded)
}

#[test]
fn a_session_is_refused_after_a_panic() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/f32.safetensors");
    let session = session_on(golden);
    let mut error = recgrela_error { status: recgrela_status::Ok, message: [0; _] };
    let panics = || session.with(|_| panic!("on purpose"));
    assert_eq!(guard(&mut error, panics), recgrela_status::Internal);
    let append = || session.with(|session| Ok(session.append(0)?));
    assert_eq!(guard(&mut error, append), recgrela_status::Internal);
    assert!(error.message.map(|byte| byte as u8).starts_with(b"session: an earlier call"));
    assert!(session.free().is_ok());
}

#[test]
fn a_model_with_kinds_refuses_an_event_without_one() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/both.safetensors");
    let session = session_on(golden);
    let mut error = recgrela_error { status: recgrela_status::Ok, message: [0; _] };
    let append = || session.with(|session| Ok(session.append(0)?));
    assert_eq!(guard(&mut error, append), recgrela_status::InvalidArgument);
    let start = b"kind of event: found none, expected one of `view`, ";
    assert!(error.message.map(|byte| byte as u8).starts_with(start));
    assert_eq!(session.with(|session| Ok(session.events())).unwrap(), 0);
    assert!(session.free().is_ok());
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let mut error = recgrela_error { status: recgrela_status::Ok, message: [0; _] };
    guard(&mut error, || Err(crate::error::Failure::argument("ä".repeat(500))));
    let bytes: Vec<u8> = error.message.iter().map(|&byte| byte as u8).collect();
    let text = std::ffi::CStr::from_bytes_until_nul(&bytes).unwrap().to_str().unwrap();
    assert_eq!(text, "ä".repeat(255));
}

/// `UPDATE_HEADER=1 cargo test -p recgrela-ffi` writes the header.
#[test]
fn the_header_is_what_the_functions_are() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut header = Vec::new();
    cbindgen::generate(crate_folder).unwrap().write(&mut header);
    let path = crate_folder.join("include/recgrela.h");
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &header).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found.as_bytes() == header,
        "include/recgrela.h is out of date: run UPDATE_HEADER=1 cargo test -p recgrela-ffi"
    );
}
