//! Fleet files. `docs/format.md` describes the layout.
//!
//! A file is a header and segments. Reading and writing are one pass over the users, and need no
//! memory of the arena's size.

mod layout;
mod read;
mod segment;
mod source;
mod users;
mod write;
