//! Scoring the catalogue: the table, the filters and the fused top-k scan.

mod filter;
mod table;
mod topk;

pub use filter::Filter;
pub use table::TableDtype;
pub(crate) use table::{Elements, Table};
pub(crate) use topk::Query;
pub use topk::{Scored, TopK};
