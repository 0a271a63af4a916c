//! A session as bytes, and back. The layout is in `docs/format.md`.

mod header;
mod parse;
mod state;
mod write;

pub(crate) use header::Header;
pub use parse::Snapshot;
pub use state::Precision;
