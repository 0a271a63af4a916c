//! The Kotlin, Java and Swift face of recgrela: converts, locks, calls the engine, maps errors.
//!
//! UniFFI makes the sources of these languages out of what is exported here, doc comments included,
//! so they speak to an app's author. Two things follow from what it makes:
//!
//! * No exported function takes an object, only methods have one: the generated Kotlin checks that
//!   the object of a method was not closed, but not that of an argument.
//! * Counts are signed, since Java cannot call what takes Kotlin's unsigned numbers; a negative one
//!   is an error.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic becomes an exception, so this library needs panic = \"unwind\"");

mod error;
mod item;
mod model;
mod session;

pub use error::RecgrelaError;
pub use item::{Filter, ItemId, Recommendation};
pub use model::Model;
pub use session::Session;

uniffi::setup_scaffolding!("recgrela");
