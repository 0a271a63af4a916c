//! Scoring the catalogue: the table, the filters and the fused top-k scan.

mod batch;
mod blocks;
mod filter;
mod first_pass;
mod quota;
mod ranking;
mod scan;
mod scores;
#[cfg(feature = "threads")]
mod threads;
mod topk;
mod worker;

pub(crate) use batch::Batch;
pub use filter::Filter;
pub use quota::{Groups, Quota};
pub use ranking::Scored;
pub(crate) use scores::Scores;
pub(crate) use topk::Query;
pub use topk::TopK;
