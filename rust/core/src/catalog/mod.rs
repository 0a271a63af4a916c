//! Scores the catalogue: filters, quotas and the fused top-k scan.

mod batch;
mod best;
mod filter;
mod first_pass;
mod part;
mod query;
mod quota;
mod ranking;
mod scan;
mod scores;
mod topk;

#[cfg(feature = "threads")]
pub(crate) use batch::GROUP_USERS;
pub use best::Scored;
pub use filter::Filter;
pub(crate) use query::{Query, User};
pub use quota::{Groups, Quota};
pub(crate) use scores::Scores;
pub use topk::TopK;
