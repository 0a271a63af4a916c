//! The Kotlin, Java and Swift binding of recgrela: converts, locks, calls the engine, maps errors.
//!
//! UniFFI generates the sources of these languages from the items exported here, with their doc
//! comments, which therefore address app developers. The generated code imposes two rules:
//!
//! * No exported function takes an object as an argument: the generated Kotlin checks that the
//!   receiver of a method was not closed, but does not check arguments.
//! * Counts are signed, because Java cannot call functions that take Kotlin's unsigned numbers. A
//!   negative count is an error.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic becomes an exception, so this library needs panic = \"unwind\"");

mod config;
mod error;
mod event;
mod item;
mod model;
mod session;

pub use config::Config;
pub use error::RecgrelaError;
pub use event::Reason;
pub use item::{Filter, ItemId, Recommendation};
pub use model::Model;
pub use session::Session;

uniffi::setup_scaffolding!("recgrela");
