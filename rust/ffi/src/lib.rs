//! The C library. Its interface is `include/recgrela.h`, which is generated from this crate.
//!
//! Each function checks its pointers, looks up its handles, calls the engine and turns the result
//! into a status. No panic escapes ([`error::guard`]). Handles are not pointers ([`handles`]): a
//! null, freed or made-up one is recognised without touching memory.
//!
//! # Safety
//!
//! For every function: a pointer is null or valid for as many elements as the count beside it says,
//! and the memory does not change during the call. The header states this once for all functions.

// A C interface needs it; each block states why it is sound.
#![allow(unsafe_code)]
// The contract above holds for all functions.
#![allow(clippy::missing_safety_doc)]
// The functions are the interface of a C library, not of a crate; the names are those of C.
#![allow(unreachable_pub, non_camel_case_types)]

mod config;
mod error;
mod handles;
mod log;
mod memory;
mod model;
mod model_catalog;
mod model_kinds;
mod scores;
mod session;
mod state;
#[cfg(test)]
mod tests;
mod vectors;
