//! The engine's guarantees for untrusted input, as functions that panic on a violation.
//!
//! Each target is a function of bytes. libFuzzer searches for bytes that make it panic (`make
//! fuzz`), and `tests/replay.rs` replays the corpus in the normal tests. The bytes are read as a
//! *recipe*: a valid input, changes to it, and whether to recompute the checksums afterwards. A
//! fuzzer that changed bytes blindly would not get past the checksums.

mod api_calls;
mod change;
mod checks;
mod edits;
mod fleet_file;
mod model_file;
mod models;
mod overlay;
mod snapshot;
mod tensors;
mod wish;

// Random models are written by the module of the engine's own tests.
#[path = "../../rust/core/tests/common/mod.rs"]
mod common;

pub use api_calls::api_calls;
pub use fleet_file::fleet_file;
pub use model_file::model_file;
pub use overlay::overlay;
pub use snapshot::snapshot;
