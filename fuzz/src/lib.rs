//! What the engine promises about untrusted input, as functions that panic where it does not hold.
//!
//! Each target is a function of bytes. libFuzzer searches for bytes that make it panic
//! (`make fuzz`), and `tests/replay.rs` replays what it found interesting in the normal tests. The
//! bytes are read as a *recipe*: a valid input and changes to it, checksums recomputed afterwards
//! where the recipe says so. A fuzzer that changed bytes blindly would not get past the checksums.

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

// The writer of random models is the one of the engine's own tests.
#[path = "../../rust/core/tests/common/mod.rs"]
mod common;

pub use api_calls::api_calls;
pub use fleet_file::fleet_file;
pub use model_file::model_file;
pub use overlay::overlay;
pub use snapshot::snapshot;
