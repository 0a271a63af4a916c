//! Scoring the catalogue: the table, the filters and the fused top-k scan.

mod batch;
mod blocks;
mod elements;
mod filter;
mod head;
mod overlay;
mod quota;
mod ranking;
mod scan;
mod scores;
mod table;
#[cfg(feature = "threads")]
mod threads;
mod topk;
mod view;
mod worker;

pub(crate) use batch::Batch;
pub use filter::Filter;
pub use overlay::Overlay;
pub(crate) use overlay::{Active as ActiveOverlay, Added};
pub use quota::{Groups, Quota};
pub use ranking::Scored;
pub(crate) use scores::Scores;
pub(crate) use table::Table;
pub use table::TableDtype;
pub(crate) use topk::Query;
pub use topk::TopK;
pub use view::Catalog;
pub(crate) use view::View;
