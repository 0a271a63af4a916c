//! Serialises a session. `docs/format.md` describes the layout.

mod header;
mod parse;
mod state;

pub(crate) use header::Header;
pub use parse::Snapshot;
pub use state::Precision;
