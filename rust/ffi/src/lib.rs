//! The C library: `include/recgrela.h` is what it offers, and is written from this crate.
//!
//! Each function checks its pointers, finds what its handles stand for, calls the engine and turns
//! the result into a status. No panic leaves it ([`error::guard`]), and no handle is a pointer
//! ([`handles`]): a null, a freed or a made-up one is found out without touching memory.
//!
//! # Safety
//!
//! Of every function: a pointer is null or valid, for as many elements as the count beside it says,
//! and what it points to does not change during the call. The header says so once for all.

// A C interface is what this crate is; each block names what makes it sound.
#![allow(unsafe_code)]
// The contract is the same for all functions and stands above.
#![allow(clippy::missing_safety_doc)]
// The functions are the interface of a C library, not of a crate, and C names types so.
#![allow(unreachable_pub, non_camel_case_types)]

mod error;
mod handles;
mod memory;
mod model;
mod scores;
mod session;
mod state;
#[cfg(test)]
mod tests;
