//! The Kotlin, Java and Swift face of recgrela: converts, locks, calls the engine, maps errors.
//!
//! UniFFI makes the sources of these languages out of what is exported here, doc comments included,
//! so they speak to an app's author. Counts are signed, since Java cannot call what takes Kotlin's
//! unsigned numbers; a negative one is an error.

mod error;
mod item;
mod model;
mod session;

pub use error::RecgrelaError;
pub use item::{Filter, ItemId, Recommendation};
pub use model::Model;
pub use session::Session;

uniffi::setup_scaffolding!("recgrela");
